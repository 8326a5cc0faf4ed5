//! Certificates for TLS in which both sides show one: an authority, and what it signed.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::{Certificate, Identity};

/// Name that the server's certificate is for.
pub const SERVER_NAME: &str = "localhost";

/// A certificate and its private key, PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Pair {
    pub fn identity(&self) -> Identity {
        Identity::from_pem(&self.certificate, &self.key)
    }

    /// Writes `NAME.pem` and `NAME.key` and returns their paths.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        fs::write(&certificate, &self.certificate).expect("the certificate is written");
        fs::write(&key, &self.key).expect("the key is written");
        (certificate, key)
    }
}

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are fine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("it signs itself"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.pem())
    }

    /// Signs a certificate for `name`.
    pub fn sign(&self, name: &str) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a DNS name");
        let certificate = params.signed_by(&key, &self.0).expect("it signs");
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
