//! TLS towards providers: the system's roots (or, on a bare container, Mozilla's), one configuration for all threads so
//! that session tickets are shared.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// The configuration for these extra roots.
pub(crate) fn client_config(ca_path: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    let mut roots = SYSTEM.get_or_init(system_roots).clone();
    if let Some(path) = ca_path {
        let certificates = CertificateDer::pem_file_iter(path)
            .map_err(|error| format!("ca file {path}: {error}"))?;
        let mut added = 0;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| format!("ca file {path}: {error}"))?;
            roots
                .add(certificate)
                .map_err(|error| format!("ca file {path}: {error}"))?;
            added += 1;
        }
        if added == 0 {
            return Err(format!("ca file {path}: holds no certificate"));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
