//! The TLS settings of sockets and listeners, as an object: whoever holds it has these settings and no others.

use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use rustls::ClientConfig;
use zeroize::Zeroizing;

use super::guard::attempt;
use super::thrown::thrown;
use crate::error::{ErrorKind, RelayError};
use crate::transport;
use crate::transport::tls::{TlsOptions, TlsVersion};

/// TLS settings in PEM.
#[napi(object, object_to_js = false)]
pub struct TlsContextOptions {
    pub ca: Vec<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub reject_unauthorized: bool,
    pub min_version: Option<String>,
    pub max_version: Option<String>,
}

/// Trust, identity and the sessions to resume. Connections that use it keep what they need of it.
#[napi(custom_finalize)]
pub struct NativeTlsContext {
    config: Arc<ClientConfig>,
    /// What V8 has been told that it weighs.
    weight: i64,
}

#[napi]
impl NativeTlsContext {
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: TlsContextOptions) -> Result<Self> {
        attempt("newTlsContext", || {
            let text: usize = options.ca.iter().map(String::len).sum();
            let config = config(options)?;
            let weight = i64::try_from(text).unwrap_or(i64::MAX);
            env.adjust_external_memory(weight)?;
            Ok(Self { config, weight })
        })
    }
}

impl NativeTlsContext {
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

impl ObjectFinalize for NativeTlsContext {
    fn finalize(self, env: Env) -> Result<()> {
        env.adjust_external_memory(-self.weight).map(drop)
    }
}

fn config(options: TlsContextOptions) -> Result<Arc<ClientConfig>> {
    let key = options.key.map(Zeroizing::new);
    let version = |name: Option<String>, option: &str| match name {
        None => Ok(None),
        Some(name) => TlsVersion::parse(&name).map(Some).ok_or_else(|| {
            let text = format!("\"{option}\" is not a TLS version that is supported");
            thrown(&RelayError::new(ErrorKind::InvalidArgument, text))
        }),
    };
    let options = TlsOptions {
        ca: options.ca,
        cert: options.cert,
        key,
        reject_unauthorized: options.reject_unauthorized,
        min_version: version(options.min_version, "minVersion")?,
        max_version: version(options.max_version, "maxVersion")?,
    };
    transport::client_config(&options).map_err(|error| thrown(&error))
}
