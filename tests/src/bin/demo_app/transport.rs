//! Answers that a proxy in between must pass on piece by piece.

use crate::page::single;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::convert::Infallible;
use std::time::Duration;

const CHUNKS: u32 = 5;
const BETWEEN_CHUNKS: Duration = Duration::from_millis(100);
const MAX_MESSAGE: usize = 64 * 1024;

/// The request body as it comes in. It is never held as a whole, so its length needs no bound here. The type is fixed
/// because a reflected HTML document would run in this application's origin.
pub(crate) async fn echo(request: Request) -> impl IntoResponse {
    let (parts, body) = request.into_parts();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (HeaderName::from_static("x-echo-method"), parts.method.to_string()),
    ];
    (headers, body)
}

/// Five lines with a pause between them. Only the pause lets a reader tell a stream from an answer that something on
/// the way collected first.
pub(crate) async fn stream() -> impl IntoResponse {
    let chunks = stream::unfold(0, |sent| async move {
        if sent == CHUNKS {
            return None;
        }
        if sent > 0 {
            tokio::time::sleep(BETWEEN_CHUNKS).await;
        }
        Some((Ok::<_, Infallible>(Bytes::from(format!("chunk {}\n", sent + 1))), sent + 1))
    });
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(chunks))
}

/// First the user that the edge named (empty when it named none), then whatever comes in.
pub(crate) async fn websocket(headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let user = single(&headers, "remote-user").unwrap_or_default();
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_upgrade(|socket| converse(socket, user))
}

async fn converse(mut socket: WebSocket, user: String) {
    let mut next = Message::Text(user.into());
    while socket.send(next).await.is_ok() {
        next = loop {
            match socket.recv().await {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => break message,
                // The library answers pings and closes by itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            }
        };
    }
}
