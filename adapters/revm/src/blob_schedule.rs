//! Which blob parameters hold for a block (EIP-4844, 7691, 7840, 7892).

use adapter_host::chain_config::ChainConfig;
use alloy_eips::eip7594::MAX_BLOBS_PER_TX_FUSAKA;
use alloy_eips::eip7840::{BLOB_BASE_COST, BlobParams};
use serde_json::Value;

use crate::fork::Fork;

/// Forks with an entry of their own in the configuration's `blobSchedule`, and the parameters that the protocol fixes
/// where there is none.
fn entries() -> [(Fork, &'static str, Option<BlobParams>); 8] {
    [
        (Fork::Cancun, "cancunTime", Some(BlobParams::cancun())),
        (Fork::Prague, "pragueTime", Some(BlobParams::prague())),
        (Fork::Osaka, "osakaTime", None), // that of Prague goes on
        (Fork::Bpo1, "bpo1Time", None),
        (Fork::Bpo2, "bpo2Time", None),
        (Fork::Bpo3, "bpo3Time", None),
        (Fork::Bpo4, "bpo4Time", None),
        (Fork::Bpo5, "bpo5Time", None),
    ]
}

/// The parameters of a block at `timestamp`; None before Cancun. The error is one line.
pub fn at(config: &ChainConfig, fork: Fork, timestamp: u64) -> Result<Option<BlobParams>, String> {
    if fork < Fork::Cancun {
        return Ok(None);
    }
    let mut latest: Option<(u64, BlobParams)> = None;
    for (entry, key, preset) in entries() {
        let Some(start) = config.point(key).filter(|&start| start <= timestamp) else { continue };
        let own = own_entry(config, entry.name())?.or(preset);
        // A fork that exists to change the schedule has to say how.
        if own.is_none() && entry >= Fork::Bpo1 {
            return Err(format!("the chain config has no blobSchedule entry for {}", entry.name()));
        }
        if let Some(own) = own
            && latest.is_none_or(|(since, _)| since <= start)
        {
            latest = Some((start, own));
        }
    }
    let params = latest.map_or_else(BlobParams::cancun, |(_, params)| params);
    Ok(Some(if fork >= Fork::Osaka {
        params.with_max_blobs_per_tx(MAX_BLOBS_PER_TX_FUSAKA).with_blob_base_cost(BLOB_BASE_COST) // EIP-7594, 7918
    } else {
        params.with_max_blobs_per_tx(params.max_blob_count).with_blob_base_cost(0)
    }))
}

fn own_entry(config: &ChainConfig, name: &str) -> Result<Option<BlobParams>, String> {
    let entry = match config.document.get("blobSchedule") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(schedule)) => schedule.get(name),
        Some(_) => return Err("blobSchedule of the chain config is no object".to_owned()),
    };
    let Some(entry) = entry.filter(|entry| !entry.is_null()) else { return Ok(None) };
    let field = |key: &str| entry.get(key).and_then(Value::as_u64);
    let (Some(target), Some(most), Some(fraction)) = (field("target"), field("max"), field("baseFeeUpdateFraction"))
    else {
        return Err(format!("blobSchedule.{name} of the chain config cannot be read: {entry}"));
    };
    // The bound keeps the gas of all blobs far within 64 bits.
    if fraction == 0 || most < target.max(1) || most > u64::from(u32::MAX) {
        return Err(format!("blobSchedule.{name}: target {target}, max {most}, update fraction {fraction}"));
    }
    Ok(Some(BlobParams {
        target_blob_count: target,
        max_blob_count: most,
        update_fraction: u128::from(fraction),
        ..BlobParams::prague()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maximum(schedule: &str, fork: Fork, timestamp: u64) -> Result<Option<u64>, String> {
        let json = format!(
            r#"{{"chainId":1,"shanghaiTime":0,"cancunTime":10,"pragueTime":20,"osakaTime":30,"bpo1Time":40,
                "bpo2Time":50,"blobSchedule":{schedule}}}"#
        );
        let config = ChainConfig::parse(json.as_bytes()).unwrap();
        at(&config, fork, timestamp).map(|params| params.map(|params| params.max_blob_count))
    }

    fn entry(name: &str, most: u64) -> String {
        format!(r#""{name}":{{"target":1,"max":{most},"baseFeeUpdateFraction":5}}"#)
    }

    #[test]
    fn without_entries_the_protocols_parameters_hold() {
        for schedule in ["{}", "null"] {
            assert_eq!(maximum(schedule, Fork::Shanghai, 9), Ok(None));
            assert_eq!(maximum(schedule, Fork::Cancun, 10), Ok(Some(6)));
            assert_eq!(maximum(schedule, Fork::Prague, 20), Ok(Some(9)));
            assert_eq!(maximum(schedule, Fork::Osaka, 30), Ok(Some(9)));
            assert!(maximum(schedule, Fork::Bpo1, 40).is_err());
        }
    }

    #[test]
    fn each_fork_takes_its_own_entry_or_the_one_before() {
        let schedule =
            format!("{{{},{},{},{}}}", entry("cancun", 2), entry("prague", 3), entry("bpo1", 5), entry("bpo2", 7));
        let at = |fork, time| maximum(&schedule, fork, time).unwrap();
        assert_eq!([at(Fork::Cancun, 10), at(Fork::Prague, 20), at(Fork::Osaka, 30)], [Some(2), Some(3), Some(3)]);
        assert_eq!([at(Fork::Bpo1, 49), at(Fork::Bpo2, 50)], [Some(5), Some(7)]);
    }

    #[test]
    fn refuses_entries_that_make_no_sense() {
        for wrong in [
            r#"{"cancun":5}"#,
            r#"{"cancun":{"target":1,"max":2}}"#,
            r#"{"cancun":{"target":3,"max":2,"baseFeeUpdateFraction":1}}"#,
            r#"{"cancun":{"target":1,"max":2,"baseFeeUpdateFraction":0}}"#,
            r#"{"cancun":{"target":1,"max":18446744073709551615,"baseFeeUpdateFraction":1}}"#,
            "5",
        ] {
            assert!(maximum(wrong, Fork::Cancun, 10).is_err(), "{wrong}");
        }
    }

    #[test]
    fn osaka_bounds_the_blobs_of_a_transaction_and_reserves_a_price() {
        let config = |fork| {
            let json = r#"{"chainId":1,"cancunTime":0,"pragueTime":0,"osakaTime":0}"#;
            at(&ChainConfig::parse(json.as_bytes()).unwrap(), fork, 0).unwrap().unwrap()
        };
        assert_eq!((config(Fork::Prague).max_blobs_per_tx, config(Fork::Prague).blob_base_cost), (9, 0));
        assert_eq!((config(Fork::Osaka).max_blobs_per_tx, config(Fork::Osaka).blob_base_cost), (6, 1 << 13));
    }
}
