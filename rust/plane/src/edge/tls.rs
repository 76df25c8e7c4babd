//! TLS towards clients: one certificate, read again when its files change.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::snapshot::written;

/// Reads both files. The text of an error names the file and what is wrong with it.
pub(crate) fn server_config(tls: &written::Tls) -> Result<Arc<ServerConfig>, String> {
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(&tls.certificate_path)
            .and_then(Iterator::collect)
            .map_err(|error| format!("certificate {}: {error}", tls.certificate_path))?;
    if certificates.is_empty() {
        return Err(format!(
            "certificate {}: holds no certificate in PEM form",
            tls.certificate_path
        ));
    }
    let key = PrivateKeyDer::from_pem_file(&tls.private_key_path)
        .map_err(|error| format!("private key {}: {error}", tls.private_key_path))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| format!("certificate {}: {error}", tls.certificate_path))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// When the files were last written, to see a change.
pub(crate) fn modified(tls: &written::Tls) -> [Option<SystemTime>; 2] {
    [&tls.certificate_path, &tls.private_key_path].map(|path| {
        std::fs::metadata(Path::new(path))
            .and_then(|meta| meta.modified())
            .ok()
    })
}
