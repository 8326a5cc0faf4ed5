//! The deadline of a gRPC request, and the sign to its work that nobody waits any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tonic::metadata::MetadataMap;

/// tonic answers CANCELLED itself when the time is over; ours has to come before it (timers are of 1 ms).
const AHEAD_OF_TRANSPORT: Duration = Duration::from_millis(2);

/// When the request's headers came in; put into its extensions before its body is read.
#[derive(Clone, Copy, Debug)]
pub struct Arrival(pub Instant);

/// The instant at which the request is over, by its `grpc-timeout` header.
/// Source: gRPC over HTTP/2, "Timeout".
pub fn of(metadata: &MetadataMap, arrived: Instant) -> Option<Instant> {
    let header = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    let timeout = match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    };
    arrived.checked_add(timeout.saturating_sub(AHEAD_OF_TRANSPORT))
}

/// Raises the flag when it is dropped: the request was answered, cancelled or timed out, and its work may stop.
#[derive(Debug, Default)]
pub struct RaisedOnDrop(pub Arc<AtomicBool>);

impl Drop for RaisedOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(header: &str) -> Option<Duration> {
        let mut metadata = MetadataMap::new();
        metadata.insert("grpc-timeout", header.parse().unwrap());
        let arrived = Instant::now();
        of(&metadata, arrived).map(|deadline| deadline - arrived)
    }

    #[test]
    fn reads_every_unit_and_stays_ahead_of_the_transport() {
        assert_eq!(timeout("3H"), Some(Duration::from_secs(10_800) - AHEAD_OF_TRANSPORT));
        assert_eq!(timeout("2M"), Some(Duration::from_secs(120) - AHEAD_OF_TRANSPORT));
        assert_eq!(timeout("1S"), Some(Duration::from_millis(998)));
        assert_eq!(timeout("100m"), Some(Duration::from_millis(98)));
        assert_eq!(timeout("5000u"), Some(Duration::from_millis(3)));
        assert_eq!(timeout("99999999n"), Some(Duration::from_nanos(97_999_999)));
        assert_eq!(timeout("1m"), Some(Duration::ZERO));
    }

    #[test]
    fn no_deadline_from_what_is_no_timeout() {
        for header in ["", "S", "5", "5x", "-1S", "123456789S"] {
            assert_eq!(timeout(header), None, "{header}");
        }
        assert_eq!(of(&MetadataMap::new(), Instant::now()), None);
    }

    #[test]
    fn the_flag_is_raised_when_the_request_is_dropped() {
        let request = RaisedOnDrop::default();
        let flag = Arc::clone(&request.0);
        assert!(!flag.load(Ordering::Relaxed));
        drop(request);
        assert!(flag.load(Ordering::Relaxed));
    }
}
