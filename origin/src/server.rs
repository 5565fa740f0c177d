//! The listening socket: connections are bounded in number, and none is held open by a client that says nothing.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::http::client_address::Peer;

/// For a request's head to arrive, counted from the end of the one before: so also how long a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Longest head that is read; the longest cookie header that means anything is 16 KiB.
const MAX_HEAD: usize = 64 * 1024;
/// When no connection can be accepted (mostly: no file descriptor is left), for some to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Serves until `stop`, then takes no more connections and gives the requests under way `grace` to end.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    max_connections: usize,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let places = Arc::new(Semaphore::new(max_connections));
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).max_buf_size(MAX_HEAD);
    let connections = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        // The place first: without one, new connections wait in the backlog of the system.
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, accept(&listener).await)
        };
        let (place, (stream, peer)) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let router = service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            router.call(request)
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                // Clients go away and send nonsense all the time.
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    tracing::info!(grace_seconds = grace.as_secs(), "shutting down");
    if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!("connections were still open at the end of the grace time");
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip()),
            // That one client's trouble.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;
    use tokio::time::Instant;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A server that greets, and gives back what is posted. (Time stands still but for timers that everybody waits
    /// for.)
    async fn serve(max_connections: usize) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router =
            Router::new().route("/", get(|| async { "hello" })).route("/", post(|body: String| async { body }));
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        (address, stop, tokio::spawn(run(listener, router, max_connections, stopped, Duration::from_secs(30))))
    }

    async fn open(address: SocketAddr, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// What comes until a text has come.
    async fn until(stream: &mut TcpStream, text: &str) -> String {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(text) {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0, "{}", String::from_utf8_lossy(&seen));
        }
        String::from_utf8(seen).unwrap()
    }

    async fn rest(stream: &mut TcpStream) -> String {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await; // a reset is an end too
        String::from_utf8(rest).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_request_holds_a_connection_for_seconds_only() {
        let (address, _stop, _) = serve(8).await;
        for half in [&b""[..], b"GET / HTTP/1.1\r\nHost:"] {
            let began = Instant::now();
            let mut stream = open(address, half).await;
            assert!(!rest(&mut stream).await.contains("hello"));
            assert!((10..12).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed() {
        let (address, _stop, _) = serve(8).await;
        let mut stream = open(address, REQUEST).await;
        until(&mut stream, "hello").await;
        stream.write_all(REQUEST).await.unwrap();
        until(&mut stream, "hello").await;
        let began = Instant::now();
        assert_eq!(rest(&mut stream).await, "");
        assert!((10..12).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_bound_connections_wait_for_a_place() {
        let (address, _stop, _) = serve(2).await;
        let mut busy = [open(address, b"GET").await, open(address, b"GET").await];
        let began = Instant::now();
        let mut third = open(address, REQUEST).await;
        until(&mut third, "hello").await;
        assert!(began.elapsed() >= HEAD_PATIENCE, "{:?}", began.elapsed());
        for stream in &mut busy {
            rest(stream).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_under_way_is_finished_and_an_idle_connection_is_not_waited_for() {
        let (address, stop, serving) = serve(8).await;
        let mut idle = open(address, REQUEST).await;
        until(&mut idle, "hello").await;
        let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
        let mut slow = open(address, head).await;
        until(&mut slow, "100 Continue").await;
        let began = Instant::now();
        stop.send(()).unwrap();
        assert_eq!(rest(&mut idle).await, "");
        assert!(TcpStream::connect(address).await.is_err(), "nobody new is let in");
        slow.write_all(b"done").await.unwrap();
        assert!(rest(&mut slow).await.ends_with("done"));
        serving.await.unwrap();
        assert!(began.elapsed() < HEAD_PATIENCE);
    }

    /// The bound is on heads: bodies, read and written, pass in pieces.
    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_longer_than_a_head() {
        let (address, _stop, _) = serve(8).await;
        let body = "x".repeat(8 * MAX_HEAD) + "end";
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = open(address, (head + &body).as_bytes()).await;
        assert!(rest(&mut stream).await.ends_with(&body));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_a_longest_length() {
        let (address, _stop, _) = serve(8).await;
        let mut stream = open(address, b"GET / HTTP/1.1\r\nX: ").await;
        let _ = stream.write_all(&vec![b'x'; 2 * MAX_HEAD]).await;
        assert!(!rest(&mut stream).await.contains("hello"));
        until(&mut open(address, REQUEST).await, "hello").await;
    }
}
