//! Runs one open rendezvous until its sender leaves, its answer is cut, or no further request is to come.

use std::future::poll_fn;
use std::mem;
use std::task::{Context, Poll};

use tokio::time::{Instant, sleep_until, timeout};

use super::leg::{LINGER, Leg, LegStage, Serving};
use crate::error::{ErrorKind, RelayError};

enum LegTurn {
    /// Something else is waited for.
    Again,
    End,
}

/// Runs `leg`, of which `leftover` has come already.
pub(super) async fn run(mut leg: Leg, mut leftover: Vec<u8>) {
    let context = leg.context.clone();
    leg.process(&mut leftover);
    drop(leftover);
    loop {
        let deadline = leg.deadline();
        let fetching = matches!(leg.stage, LegStage::Fetching(_));
        tokio::select! {
            biased;
            step = poll_fn(|cx| poll(&mut leg, cx)) => if matches!(step, LegTurn::End) { break },
            () = context.closing.cancelled(), if !leg.leaving => leg.leave(),
            () = context.at_once.cancelled(), if fetching => leg.close(1000),
            () = until(deadline) => if !leg.expire() { break },
        }
    }
    drop(leg.post.close());
    let _ = timeout(LINGER, leg.wire.shutdown()).await;
}

fn poll(leg: &mut Leg, cx: &mut Context<'_>) -> Poll<LegTurn> {
    leg.post.register(cx.waker());
    loop {
        if let Err(error) = leg.write(cx) {
            leg.fail(gone(Some(error)));
            return Poll::Ready(LegTurn::End);
        }
        if matches!(leg.stage, LegStage::Closing { heard: true }) && leg.wire.is_clear() {
            return Poll::Ready(LegTurn::End);
        }
        if mem::take(&mut leg.changed) {
            return Poll::Ready(LegTurn::Again);
        }
        let much = match &leg.stage {
            LegStage::Serving(Serving { body: Some(body), .. }) if !body.may_read() => return Poll::Pending,
            LegStage::Serving(Serving { body: Some(_), .. }) => true,
            _ => false,
        };
        let error = match leg.wire.poll_read(cx, much) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok((mut buffer, count @ 1..))) => {
                leg.process(&mut buffer[..count]);
                leg.wire.keep(buffer);
                continue;
            }
            Poll::Ready(Ok(_)) => None,
            Poll::Ready(Err(error)) => Some(error),
        };
        leg.fail(gone(error));
        return Poll::Ready(LegTurn::End);
    }
}

/// The connection has broken.
fn gone(error: Option<std::io::Error>) -> RelayError {
    let text = "The connection of the request was lost";
    match error {
        Some(error) => RelayError::new(ErrorKind::Disconnected, format!("{text}: {error}")).caused_by(error),
        None => RelayError::new(ErrorKind::Disconnected, text),
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
