//! Start-up work of the client that would otherwise fall into the first request.

use ethrex_common::types::{BlockBody, EIP1559Transaction, Transaction};
use ethrex_crypto::{Crypto, NativeCrypto};

/// Compressed point at infinity: commitment and proof of the polynomial 0, which is 0 everywhere.
const INFINITY: [u8; 48] = {
    let mut point = [0; 48];
    point[0] = 0xc0;
    point
};

/// Loads the KZG trusted setup, starts the thread pool of sender recovery. Returns whether KZG verifies what is true.
pub fn warm_up() -> bool {
    let body = BlockBody {
        transactions: vec![Transaction::EIP1559Transaction(EIP1559Transaction::default()); 2],
        ..BlockBody::default()
    };
    // An empty signature: recovery fails, which is of no interest.
    let _ = body.get_transactions_with_sender(&NativeCrypto);
    NativeCrypto.verify_kzg_proof(&[0; 32], &[0; 32], &INFINITY, &INFINITY).is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn kzg_works_after_warm_up() {
        assert!(super::warm_up());
    }
}
