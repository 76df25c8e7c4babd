//! Making a connection: address, proxy, TLS, all within one connect timeout.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::Connection;
use super::origin::{Origin, Proxy};
use crate::clock;
use crate::socket::Socket;

/// The answer to `CONNECT` may be this long.
const PROXY_HEAD_BYTES_MAX: usize = 8192;

/// Connects. The text of an error says at which step; it never holds a credential.
pub(crate) async fn dial(origin: &Arc<Origin>) -> Result<Connection, String> {
    match clock::timeout(origin.connect_time, connect(origin)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!(
            "no connection to {} within {} ms (connect_ms)",
            origin.authority,
            origin.connect_time.as_millis()
        )),
    }
}

async fn connect(origin: &Arc<Origin>) -> Result<Connection, String> {
    let addresses = origin
        .addresses()
        .await
        .map_err(|error| format!("looking up {}: {error}", origin.authority))?;
    let tcp = connect_any(&addresses, origin).await?;
    let _ = tcp.set_nodelay(true);
    let socket = match (&origin.proxy, &origin.tls) {
        (None, None) => Socket::Tcp(tcp),
        (None, Some(tls)) => secure(tcp, tls, &origin.authority).await.map(wrap)?,
        (Some(proxy), target) => through_proxy(tcp, proxy, target.as_ref(), origin).await?,
    };
    Ok(Connection::new(socket))
}

fn wrap(stream: TlsStream<TcpStream>) -> Socket {
    Socket::Tls(Box::new(stream.into()))
}

async fn connect_any(addresses: &[SocketAddr], origin: &Origin) -> Result<TcpStream, String> {
    let mut last = None;
    for (place, address) in addresses.iter().enumerate() {
        // A dead first address must not use up the whole time: each but the last gets its share.
        let share = origin.connect_time / (addresses.len() - place) as u32;
        match clock::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Some(format!("connecting to {address}: {error}")),
            Err(_) => {
                last = Some(format!(
                    "connecting to {address}: no answer within {} ms",
                    share.as_millis()
                ))
            }
        }
    }
    Err(last.unwrap_or_else(|| format!("{} has no address", origin.authority)))
}

type Secure = (Arc<ClientConfig>, ServerName<'static>);

async fn secure<S>(stream: S, (config, name): &Secure, whom: &str) -> Result<TlsStream<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    TlsConnector::from(Arc::clone(config))
        .connect(name.clone(), stream)
        .await
        .map_err(|error| format!("TLS with {whom}: {error}"))
}

async fn through_proxy(
    tcp: TcpStream,
    proxy: &Proxy,
    target: Option<&Secure>,
    origin: &Origin,
) -> Result<Socket, String> {
    match (&proxy.tls, target) {
        // Plain HTTP: the proxy reads each request itself.
        (None, None) => Ok(Socket::Tcp(tcp)),
        (Some(own), None) => secure(tcp, own, "the proxy").await.map(wrap),
        (None, Some(target)) => {
            let tcp = tunnel(tcp, proxy, origin).await?;
            secure(tcp, target, &origin.authority).await.map(wrap)
        }
        (Some(own), Some(target)) => {
            let outer = secure(tcp, own, "the proxy").await?;
            let outer = tunnel(tokio_rustls::TlsStream::from(outer), proxy, origin).await?;
            let inner = secure(outer, target, &origin.authority).await?;
            Ok(Socket::TlsInTls(Box::new(inner.into())))
        }
    }
}

/// Asks the proxy for a tunnel (RFC 9110 section 9.3.6).
async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    proxy: &Proxy,
    origin: &Origin,
) -> Result<S, String> {
    let target = origin.connect_target();
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n");
    if let Some(value) = &proxy.authorization {
        request.push_str("proxy-authorization: ");
        request.push_str(value);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let fault = |error: io::Error| format!("asking the proxy for {target}: {error}");
    stream.write_all(request.as_bytes()).await.map_err(fault)?;
    // One byte at a time past the first line would be slow, but nothing may be read beyond the head, and a proxy sends
    // nothing after it until we speak. So whatever comes is the head.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= PROXY_HEAD_BYTES_MAX {
            return Err(format!("the proxy's answer for {target} is no HTTP head"));
        }
        if stream.read_buf(&mut head).await.map_err(fault)? == 0 {
            return Err(format!(
                "the proxy closed the connection when asked for {target}"
            ));
        }
    }
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut slots);
    match answer.parse(&head) {
        Ok(httparse::Status::Complete(_))
            if answer.code.is_some_and(|code| (200..300).contains(&code)) =>
        {
            Ok(stream)
        }
        Ok(httparse::Status::Complete(_)) => Err(format!(
            "the proxy refused a tunnel to {target} with status {}",
            answer.code.unwrap_or(0)
        )),
        _ => Err(format!("the proxy's answer for {target} is no HTTP head")),
    }
}
