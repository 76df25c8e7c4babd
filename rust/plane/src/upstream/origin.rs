//! Where a provider lives: host, port, TLS, proxy, and its resolved addresses.
//!
//! An origin outlives the snapshot that names it: a reload that does not change a provider keeps its connections, its
//! TLS session tickets and its addresses. Two providers at the same place share one.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;

use super::tls;
use crate::lock::lock;
use crate::snapshot::written;

/// A place to connect to.
pub(crate) struct Origin {
    /// Key of the pools; unique while the process lives.
    pub(crate) id: u64,
    /// `host` or `host:port` as the `Host` header has it.
    pub(crate) authority: String,
    host: String,
    port: u16,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(crate) proxy: Option<Proxy>,
    /// `http://host:port` when a plain-HTTP proxy wants the whole URL in the request line.
    absolute: Option<String>,
    /// Addresses of what is dialled: the proxy's, or the host's. Refreshed off the hot path; empty before the first look-up.
    addresses: ArcSwap<Vec<SocketAddr>>,
    pub(crate) connect_time: Duration,
    pub(crate) pool_idle_time: Duration,
}

/// An HTTP proxy between here and the provider.
pub(crate) struct Proxy {
    host: String,
    port: u16,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// Whole value of `Proxy-Authorization`.
    pub(crate) authorization: Option<String>,
}

impl Origin {
    /// The URL up to the path, when the request line has to carry it.
    pub(crate) fn absolute_form(&self) -> Option<&str> {
        self.absolute.as_deref()
    }

    /// For a plain-HTTP proxy, which reads it from each request.
    pub(crate) fn proxy_authorization(&self) -> Option<&str> {
        self.absolute.as_ref()?;
        self.proxy.as_ref()?.authorization.as_deref()
    }

    /// `host:port`, as `CONNECT` wants it.
    pub(crate) fn connect_target(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    fn dialled(&self) -> (&str, u16) {
        self.proxy
            .as_ref()
            .map_or((self.host.as_str(), self.port), |proxy| {
                (proxy.host.as_str(), proxy.port)
            })
    }

    /// The known addresses, looking them up (on Tokio's blocking threads) only when there are none yet.
    pub(crate) async fn addresses(self: &Arc<Self>) -> io::Result<Arc<Vec<SocketAddr>>> {
        let known = self.addresses.load_full();
        if !known.is_empty() {
            return Ok(known);
        }
        let (host, port) = self.dialled();
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        self.learn(found)
    }

    /// Looks the name up again. Blocks; called by the background only. A failure keeps the old addresses.
    pub(crate) fn refresh(&self) {
        let (host, port) = self.dialled();
        if host.parse::<IpAddr>().is_err()
            && let Ok(found) = (host, port).to_socket_addrs()
        {
            let _ = self.learn(found.collect());
        }
    }

    fn learn(&self, found: Vec<SocketAddr>) -> io::Result<Arc<Vec<SocketAddr>>> {
        if found.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            ));
        }
        let found = Arc::new(found);
        self.addresses.store(Arc::clone(&found));
        Ok(found)
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// All origins in use, by everything that makes them different.
#[derive(Default)]
pub(crate) struct Origins {
    /// Held for the length of one look-up, by the thread that reads a snapshot and by the background.
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    known: HashMap<String, Weak<Origin>>,
    next_id: u64,
    tls: HashMap<Option<String>, Arc<ClientConfig>>,
}

impl Origins {
    /// The origin of one of a provider's base URLs, and the path prefix there.
    pub(crate) fn take(
        &self,
        base_url: &str,
        provider: &written::Provider,
    ) -> Result<(Arc<Origin>, String), String> {
        let url = Url::read(base_url)
            .ok_or_else(|| format!("base_url {base_url:?} is not http(s)://host[:port][/path]"))?;
        let proxy = match &provider.proxy {
            Some(text) => Some(
                Url::read(text.expose())
                    .ok_or("the proxy's URL is not http(s)://[user:password@]host[:port]")?,
            ),
            None => None,
        };
        let identity = format!(
            "{}|{}|{}|{:?}|{:?}|{}|{}",
            url.tls,
            url.host,
            url.port,
            provider.proxy.as_ref().map(|secret| secret.expose()),
            provider.ca_path,
            provider.timeouts.connect_ms,
            provider.timeouts.pool_idle_ms
        );
        let mut table = lock(&self.table);
        if let Some(origin) = table.known.get(&identity).and_then(Weak::upgrade) {
            return Ok((origin, url.path));
        }
        table.known.retain(|_, origin| origin.strong_count() > 0);
        let client = if url.tls || proxy.as_ref().is_some_and(|p| p.tls) {
            Some(match table.tls.get(&provider.ca_path) {
                // The roots file may have changed since, so only the configuration without one is kept for good.
                Some(config) if provider.ca_path.is_none() => Arc::clone(config),
                _ => {
                    let config = tls::client_config(provider.ca_path.as_deref())?;
                    table
                        .tls
                        .insert(provider.ca_path.clone(), Arc::clone(&config));
                    config
                }
            })
        } else {
            None
        };
        let server = |host: &str| {
            ServerName::try_from(host.to_owned())
                .map_err(|_| format!("{host:?} cannot be a TLS server name"))
        };
        let tls = match (&client, url.tls) {
            (Some(config), true) => Some((Arc::clone(config), server(&url.host)?)),
            _ => None,
        };
        let proxy = match proxy {
            Some(proxy) => Some(Proxy {
                tls: match (&client, proxy.tls) {
                    (Some(config), true) => Some((Arc::clone(config), server(&proxy.host)?)),
                    _ => None,
                },
                authorization: proxy.authorization,
                host: proxy.host,
                port: proxy.port,
            }),
            None => None,
        };
        let default_port = if url.tls { 443 } else { 80 };
        let authority = if url.port == default_port {
            bracketed(&url.host)
        } else {
            format!("{}:{}", bracketed(&url.host), url.port)
        };
        table.next_id += 1;
        let absolute = (proxy.is_some() && tls.is_none()).then(|| format!("http://{authority}"));
        let dialled = proxy
            .as_ref()
            .map_or((&url.host, url.port), |p| (&p.host, p.port));
        let literal: Vec<SocketAddr> = dialled
            .0
            .parse::<IpAddr>()
            .map(|ip| SocketAddr::new(ip, dialled.1))
            .into_iter()
            .collect();
        let origin = Arc::new(Origin {
            id: table.next_id,
            authority,
            host: url.host,
            port: url.port,
            tls,
            proxy,
            absolute,
            addresses: ArcSwap::from_pointee(literal),
            connect_time: Duration::from_millis(provider.timeouts.connect_ms),
            pool_idle_time: Duration::from_millis(provider.timeouts.pool_idle_ms),
        });
        table.known.insert(identity, Arc::downgrade(&origin));
        Ok((origin, url.path))
    }

    /// Those in use now, for the background's look-ups.
    pub(crate) fn in_use(&self) -> Vec<Arc<Origin>> {
        let table = lock(&self.table);
        table.known.values().filter_map(Weak::upgrade).collect()
    }
}

/// The parts of `scheme://[user:password@]host[:port][/path]`.
struct Url {
    tls: bool,
    host: String,
    port: u16,
    /// Without a trailing slash.
    path: String,
    authorization: Option<String>,
}

impl Url {
    fn read(text: &str) -> Option<Url> {
        let uri: http::Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        let authorization = authority.rsplit_once('@').map(|(user, _)| {
            use base64::Engine as _;
            format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(percent_decode(user))
            )
        });
        let host = uri
            .host()?
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return None;
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Some(Url {
            tls,
            host,
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
            authorization,
        })
    }
}

/// Decodes `%41`; what is no valid escape stays as it is.
pub(crate) fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            Some((high * 16 + low) as u8)
        });
        match pair {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = Url::read("https://u%40x:p@h.example:8443/v1/").expect("a url");
        assert_eq!(
            (url.tls, url.host.as_str(), url.port, url.path.as_str()),
            (true, "h.example", 8443, "/v1")
        );
        assert_eq!(url.authorization.as_deref(), Some("Basic dUB4OnA="));
        let url = Url::read("http://[::1]:80").expect("a url");
        assert_eq!(
            (url.host.as_str(), url.port, url.path.as_str()),
            ("::1", 80, "")
        );
        assert!(Url::read("ftp://h").is_none());
        assert!(Url::read("h:80").is_none());
    }

    #[test]
    fn percent_escapes() {
        assert_eq!(percent_decode("a%2Fb%zz%4"), b"a/b%zz%4");
    }
}
