//! The pages' files, built into the program.

use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{AppendHeaders, IntoResponse};

/// Nothing but what this program serves itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! file {
    ($name:ident, $path:literal, $kind:literal) => {
        pub(crate) async fn $name() -> impl IntoResponse {
            file($kind, include_str!($path))
        }
    };
}

file!(index, "../page/index.html", "text/html; charset=utf-8");
file!(style, "../page/style.css", "text/css; charset=utf-8");
file!(app, "../page/app.js", "text/javascript; charset=utf-8");
file!(connection, "../page/connection.js", "text/javascript; charset=utf-8");
file!(sha256, "../page/sha256.js", "text/javascript; charset=utf-8");
file!(transfer, "../page/transfer.js", "text/javascript; charset=utf-8");
file!(chart, "../page/chart.js", "text/javascript; charset=utf-8");
file!(media, "../page/media.js", "text/javascript; charset=utf-8");
file!(call, "../page/call.js", "text/javascript; charset=utf-8");
file!(play, "../page/play.html", "text/html; charset=utf-8");
file!(play_script, "../page/play.js", "text/javascript; charset=utf-8");
file!(record, "../page/record.html", "text/html; charset=utf-8");
file!(record_script, "../page/record.js", "text/javascript; charset=utf-8");

fn file(kind: &'static str, body: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (AppendHeaders(headers), body)
}
