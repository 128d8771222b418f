//! What a certificate says, read strictly as DER: webpki tells little of it, and nothing of version 1.

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, UintRef, UtcTime};
use der::{Reader, SliceReader, Tag, TagNumber, Tagged};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use super::failure::CertificateFailure;

/// The attribute 2.5.4.3 of a name.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// One certificate.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    /// As it is written there, which is one less than its number.
    version: u8,
    /// The names as they stand there, tag and length included.
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    /// From when to when it is good, in seconds since 1970.
    pub(super) not_before: u64,
    pub(super) not_after: u64,
    public_key: &'a [u8],
    pub(super) extensions: Vec<CertificateExtension<'a>>,
}

/// One extension of a certificate.
#[derive(Debug)]
pub(super) struct CertificateExtension<'a> {
    /// The object identifier in DER.
    pub(super) id: &'a [u8],
    pub(super) critical: bool,
    value: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate that is nothing but a certificate.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(der: &'a CertificateDer<'_>) -> Result<Self, CertificateFailure> {
        whole(der, certificate).map_err(|_| CertificateFailure::rejected("it cannot be read"))
    }

    /// True for a certificate from before X.509 version 3, when there were no extensions: `openssl x509 -req` still
    /// makes them.
    pub(super) fn is_old(&self) -> bool {
        self.version < 2 && self.extensions.is_empty()
    }

    /// True if it names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// The public key of a certificate of any version.
    pub(super) fn public_key(&self) -> SubjectPublicKeyInfoDer<'static> {
        SubjectPublicKeyInfoDer::from(self.public_key.to_vec())
    }

    /// The common names of its subject. A subject that cannot be read has none.
    pub(super) fn common_names(&self) -> Vec<String> {
        let attributes = whole(self.subject, |reader| {
            all(value(reader, Tag::Sequence)?, |names| all(value(names, Tag::Set)?, attribute))
        });
        attributes.into_iter().flatten().flatten().flatten().collect()
    }

    /// What `read` makes of the extension `id`.
    ///
    /// # Errors
    /// It is there, but cannot be read, or more than once: what cannot be read is not absent.
    pub(super) fn extension<T>(
        &self,
        id: &[u8],
        read: impl FnOnce(&mut SliceReader<'a>) -> der::Result<T>,
    ) -> Result<Option<T>, CertificateFailure> {
        let mut found = self.extensions.iter().filter(|extension| extension.id == id);
        let Some(only) = found.next() else { return Ok(None) };
        match (whole(only.value, read), found.next()) {
            (Ok(read), None) => Ok(Some(read)),
            _ => Err(CertificateFailure::rejected("it has an extension that cannot be read")),
        }
    }
}

/// Reads something that is nothing but that.
fn whole<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut SliceReader<'a>) -> der::Result<T>,
) -> der::Result<T> {
    let mut reader = SliceReader::new(bytes)?;
    let read = read(&mut reader)?;
    reader.finish()?;
    Ok(read)
}

/// Reads one thing after another.
pub(super) fn all<'a, T>(
    bytes: &'a [u8],
    mut read: impl FnMut(&mut SliceReader<'a>) -> der::Result<T>,
) -> der::Result<Vec<T>> {
    whole(bytes, |reader| {
        let mut things = Vec::new();
        while !reader.is_finished() {
            things.push(read(reader)?);
        }
        Ok(things)
    })
}

/// What something with this tag holds.
pub(super) fn value<'a>(reader: &mut SliceReader<'a>, tag: Tag) -> der::Result<&'a [u8]> {
    let any: AnyRef<'a> = reader.decode()?;
    any.tag().assert_eq(tag)?;
    Ok(any.value())
}

/// RFC 5280 section 4.1.
fn certificate<'a>(reader: &mut SliceReader<'a>) -> der::Result<Certificate<'a>> {
    whole(value(reader, Tag::Sequence)?, |reader| {
        let certificate = whole(value(reader, Tag::Sequence)?, signed)?;
        let _algorithm = value(reader, Tag::Sequence)?;
        let _signature: BitStringRef<'_> = reader.decode()?;
        Ok(certificate)
    })
}

fn signed<'a>(reader: &mut SliceReader<'a>) -> der::Result<Certificate<'a>> {
    let version = optional(reader, 0)?.map_or(Ok(0), |version| whole(version, Reader::decode))?;
    let _serial: UintRef<'_> = reader.decode()?;
    let _algorithm = value(reader, Tag::Sequence)?;
    let issuer = sequence(reader)?;
    let (not_before, not_after) =
        whole(value(reader, Tag::Sequence)?, |dates| Ok((time(dates)?, time(dates)?)))?;
    let subject = sequence(reader)?;
    let public_key = sequence(reader)?;
    let _issuers_id = optional(reader, 1)?;
    let _subjects_id = optional(reader, 2)?;
    let extensions = optional(reader, 3)?.map_or(Ok(Vec::new()), |extensions| {
        whole(extensions, |reader| all(value(reader, Tag::Sequence)?, extension))
    })?;
    Ok(Certificate { version, issuer, subject, not_before, not_after, public_key, extensions })
}

/// The contents of a field with the context's tag `number`, where there is one.
fn optional<'a>(reader: &mut SliceReader<'a>, number: u32) -> der::Result<Option<&'a [u8]>> {
    let wanted = |tag: Tag| matches!(tag, Tag::ContextSpecific { number: TagNumber(n), .. } if n == number);
    if reader.is_finished() || !wanted(Tag::peek(reader)?) {
        return Ok(None);
    }
    reader.decode().map(|field: AnyRef<'a>| Some(field.value()))
}

/// A sequence as it stands there, tag and length included.
fn sequence<'a>(reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    Tag::peek(reader)?.assert_eq(Tag::Sequence)?;
    reader.tlv_bytes()
}

fn time(reader: &mut SliceReader<'_>) -> der::Result<u64> {
    let since_1970 = match Tag::peek(reader)? {
        Tag::UtcTime => reader.decode::<UtcTime>()?.to_unix_duration(),
        _ => reader.decode::<GeneralizedTime>()?.to_unix_duration(),
    };
    Ok(since_1970.as_secs())
}

fn extension<'a>(reader: &mut SliceReader<'a>) -> der::Result<CertificateExtension<'a>> {
    whole(value(reader, Tag::Sequence)?, |reader| {
        Ok(CertificateExtension {
            id: value(reader, Tag::ObjectIdentifier)?,
            critical: reader.decode::<Option<bool>>()?.unwrap_or(false),
            value: value(reader, Tag::OctetString)?,
        })
    })
}

/// An attribute of a name, if it is a common name.
fn attribute(reader: &mut SliceReader<'_>) -> der::Result<Option<String>> {
    whole(value(reader, Tag::Sequence)?, |reader| {
        let id = value(reader, Tag::ObjectIdentifier)?;
        let name: AnyRef<'_> = reader.decode()?;
        let text = match name.tag() {
            Tag::NumericString | Tag::PrintableString | Tag::Utf8String | Tag::Ia5String => {
                std::str::from_utf8(name.value()).ok()
            }
            _ => None,
        };
        Ok(text.filter(|_| id == COMMON_NAME).map(str::to_owned))
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::testdata;
    use super::*;

    fn read_all(der: &[u8]) {
        if let Ok(certificate) = Certificate::parse(&der.into()) {
            certificate.common_names();
            for extension in &certificate.extensions {
                let _ = certificate
                    .extension(extension.id, |reader| all(value(reader, Tag::Sequence)?, attribute));
            }
        }
    }

    #[test]
    fn what_a_certificate_says_is_read() {
        let der = testdata::certificate(testdata::V1_BY_V3);
        let old = Certificate::parse(&der).unwrap();
        assert!(old.is_old() && !old.is_self_issued());
        assert_eq!(old.common_names(), ["localhost"]);
        let der = testdata::certificate(testdata::V3_ROOT);
        let root = Certificate::parse(&der).unwrap();
        assert!(!root.is_old() && root.is_self_issued());
        assert_eq!(root.subject, old.issuer);
        assert!(root.not_before < root.not_after);
    }

    #[test]
    fn nothing_panics() {
        let whole = testdata::certificate(testdata::V3_INTERMEDIATE);
        proptest!(|(bytes in vec(any::<u8>(), 0..100), at in 0..whole.len())| {
            read_all(&bytes);
            read_all(&whole[..at]);
            let mut other = whole.to_vec();
            other.splice(at..(at + bytes.len()).min(whole.len()), bytes);
            read_all(&other);
        });
    }
}
