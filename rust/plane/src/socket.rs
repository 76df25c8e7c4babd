//! The byte streams that the plane reads and writes: TCP, TLS over TCP on either side, and the Unix socket of the
//! control side, as one type, so that what stands above them is written once.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    /// Boxed: a TLS session is about a kilobyte, and most connections of a gateway behind loopback have none.
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS to a provider inside TLS to an `https://` proxy.
    TlsInTls(Box<TlsStream<TlsStream<TcpStream>>>),
    Unix(UnixStream),
}

impl Socket {
    /// Whether the peer has closed (or broken the protocol by sending unasked) while the connection was idle.
    /// Costs a system call only when the kernel has reported something.
    pub(crate) fn has_news(&self) -> bool {
        let mut byte = [0u8; 1];
        let outcome = match self {
            Socket::Tcp(tcp) => tcp.try_read(&mut byte),
            Socket::Unix(unix) => unix.try_read(&mut byte),
            // A TLS session may hold a close_notify or new tickets. Reading here would have to keep them, so only the
            // raw socket's readiness is asked; a waiting record (a late ticket) makes the connection look stale, which
            // costs one new handshake and loses nothing.
            Socket::Tls(tls) => return peek(tls.get_ref().0),
            Socket::TlsInTls(tls) => return peek(tls.get_ref().0.get_ref().0),
        };
        !matches!(outcome, Err(ref error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

fn peek(tcp: &TcpStream) -> bool {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut byte = [0u8; 1];
    tcp.poll_peek(&mut cx, &mut ReadBuf::new(&mut byte))
        .is_ready()
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Tls(s) => Pin::new(s).poll_read(cx, buf),
            Socket::TlsInTls(s) => Pin::new(s).poll_read(cx, buf),
            Socket::Unix(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_write(cx, buf),
            Socket::Tls(s) => Pin::new(s).poll_write(cx, buf),
            Socket::TlsInTls(s) => Pin::new(s).poll_write(cx, buf),
            Socket::Unix(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_write_vectored(cx, bufs),
            Socket::Tls(s) => Pin::new(s).poll_write_vectored(cx, bufs),
            Socket::TlsInTls(s) => Pin::new(s).poll_write_vectored(cx, bufs),
            Socket::Unix(s) => Pin::new(s).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            // Kernel sockets have nothing of ours to flush.
            Socket::Tcp(_) | Socket::Unix(_) => Poll::Ready(Ok(())),
            Socket::Tls(s) => Pin::new(s).poll_flush(cx),
            Socket::TlsInTls(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Tls(s) => Pin::new(s).poll_shutdown(cx),
            Socket::TlsInTls(s) => Pin::new(s).poll_shutdown(cx),
            Socket::Unix(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

/// Writes every slice, in order, with as few system calls as the kernel allows, and flushes.
pub(crate) fn poll_write_all(
    socket: &mut Socket,
    slices: &[&[u8]],
    written: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        let mut skip = *written;
        let mut parts: [IoSlice<'_>; 8] = [IoSlice::new(&[]); 8];
        let mut count = 0;
        for slice in slices {
            if skip >= slice.len() {
                skip -= slice.len();
                continue;
            }
            if count == parts.len() {
                break;
            }
            parts[count] = IoSlice::new(&slice[skip..]);
            skip = 0;
            count += 1;
        }
        if count == 0 {
            return Pin::new(socket).poll_flush(cx);
        }
        let sent = if count == 1 {
            std::task::ready!(Pin::new(&mut *socket).poll_write(cx, &parts[0]))?
        } else {
            std::task::ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &parts[..count]))?
        };
        if sent == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *written += sent;
    }
}
