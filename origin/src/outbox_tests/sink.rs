//! An SMTP server that keeps what it is sent (RFC 5321), with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

/// For localhost, made for these tests alone.
pub(super) const CERTIFICATE: &str = include_str!("localhost.pem");
const KEY: &str = include_str!("localhost.key.pem");

#[derive(Default)]
pub(super) struct Received {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) text: String,
    pub(super) encrypted: bool,
    pub(super) authenticated: bool,
}

pub(super) struct Sink {
    pub(super) port: u16,
    received: UnboundedReceiver<Received>,
    attempts: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Script {
    /// TLS from the first byte.
    wrapped: bool,
    offers_tls: bool,
    silent: bool,
    /// To RCPT.
    answer: &'static str,
    attempts: Arc<AtomicUsize>,
    sender: UnboundedSender<Received>,
}

fn acceptor() -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

impl Sink {
    pub(super) async fn start(wrapped: bool, answer: &'static str) -> Self {
        Self::with(wrapped, true, false, answer).await
    }

    pub(super) async fn without_tls(answer: &'static str) -> Self {
        Self::with(false, false, false, answer).await
    }

    /// It takes connections and says nothing.
    pub(super) async fn silent() -> Self {
        Self::with(false, false, true, "").await
    }

    async fn with(wrapped: bool, offers_tls: bool, silent: bool, answer: &'static str) -> Self {
        // By name, as the certificate has it: the client may try either family.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ((sender, received), attempts) = (unbounded_channel(), Arc::new(AtomicUsize::new(0)));
        let script = Script { wrapped, offers_tls, silent, answer, attempts: Arc::clone(&attempts), sender };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script.clone()));
            }
        });
        Self { port, received, attempts }
    }

    pub(super) async fn next(&mut self) -> Received {
        self.received.recv().await.unwrap()
    }

    pub(super) fn is_empty(&mut self) -> bool {
        self.received.try_recv().is_err()
    }

    pub(super) fn attempts(&self) -> usize {
        self.attempts.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, script: Script) {
    if script.silent {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(_)) = lines.next_line().await {}
        return;
    }
    if script.wrapped {
        if let Ok(stream) = acceptor().accept(stream).await {
            let _ = talk(stream, &script, true, true).await;
        }
        return;
    }
    // The stream comes back where the client asks for TLS.
    if let Ok(Some(stream)) = talk(stream, &script, false, true).await
        && let Ok(stream) = acceptor().accept(stream).await
    {
        let _ = talk(stream, &script, true, false).await;
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    script: &Script,
    encrypted: bool,
    greets: bool,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 sink\r\n").await?;
    }
    let mut got = Received { encrypted, ..Received::default() };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end();
        let answer = match line.split(' ').next().unwrap_or_default() {
            "EHLO" if script.offers_tls && !encrypted => "250-sink\r\n250 STARTTLS",
            "EHLO" if encrypted => "250-sink\r\n250 AUTH PLAIN",
            "STARTTLS" if script.offers_tls => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(Some(stream.into_inner()));
            }
            // NUL login NUL s3cr3t, in Base64.
            "AUTH" if line == "AUTH PLAIN AGxvZ2luAHMzY3IzdA==" => {
                got.authenticated = true;
                "235 OK"
            }
            "AUTH" => "535 no",
            "MAIL" => {
                line["MAIL FROM:".len()..].split(' ').next().unwrap_or_default().clone_into(&mut got.from);
                "250 OK"
            }
            "RCPT" => {
                script.attempts.fetch_add(1, Ordering::Relaxed);
                line["RCPT TO:".len()..].clone_into(&mut got.to);
                script.answer
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await? == 0 {
                        return Ok(None);
                    }
                    if line == ".\r\n" {
                        break;
                    }
                    got.text.push_str(&line);
                }
                let _ = script.sender.send(std::mem::take(&mut got));
                "250 OK"
            }
            "QUIT" => "221 bye",
            _ => "250 OK",
        };
        stream.write_all(answer.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
    }
}
