//! The files of the pages, inside the program: it works without the internet, and without any file beside it.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Where it is asked for.
    pub path: &'static str,
    kind: &'static str,
    body: &'static [u8],
}

macro_rules! assets {
    ($($path:literal, $kind:literal, $file:literal;)*) => {
        /// Every file, by its path.
        pub const FILES: &[Asset] = &[$(
            Asset { path: $path, kind: $kind, body: include_bytes!(concat!("assets/", $file)) }
        ),*];
    };
}

assets! {
    "/", "text/html; charset=utf-8", "index.html";
    "/assets/api.js", "text/javascript; charset=utf-8", "api.js";
    "/assets/asks.js", "text/javascript; charset=utf-8", "asks.js";
    "/assets/console.css", "text/css; charset=utf-8", "console.css";
    "/assets/console.js", "text/javascript; charset=utf-8", "console.js";
    "/assets/dom.js", "text/javascript; charset=utf-8", "dom.js";
    "/assets/facts.js", "text/javascript; charset=utf-8", "facts.js";
    "/assets/graph.js", "text/javascript; charset=utf-8", "graph.js";
    "/assets/head.js", "text/javascript; charset=utf-8", "head.js";
    "/assets/icon.svg", "image/svg+xml", "icon.svg";
    "/assets/keys.js", "text/javascript; charset=utf-8", "keys.js";
    "/assets/model.js", "text/javascript; charset=utf-8", "model.js";
    "/assets/new_passkey.js", "text/javascript; charset=utf-8", "new_passkey.js";
    "/assets/night.js", "text/javascript; charset=utf-8", "night.js";
    "/assets/order_sheet.js", "text/javascript; charset=utf-8", "order_sheet.js";
    "/assets/orders.js", "text/javascript; charset=utf-8", "orders.js";
    "/assets/parts.js", "text/javascript; charset=utf-8", "parts.js";
    "/assets/passkey.js", "text/javascript; charset=utf-8", "passkey.js";
    "/assets/player.js", "text/javascript; charset=utf-8", "player.js";
    "/assets/replay.js", "text/javascript; charset=utf-8", "replay.js";
    "/assets/runs.js", "text/javascript; charset=utf-8", "runs.js";
    "/assets/scrubber.js", "text/javascript; charset=utf-8", "scrubber.js";
    "/assets/sheet.js", "text/javascript; charset=utf-8", "sheet.js";
    "/assets/sign_in.js", "text/javascript; charset=utf-8", "sign_in.js";
    "/assets/signs.js", "text/javascript; charset=utf-8", "signs.js";
    "/assets/step.js", "text/javascript; charset=utf-8", "step.js";
    "/assets/stream.js", "text/javascript; charset=utf-8", "stream.js";
    "/assets/time.js", "text/javascript; charset=utf-8", "time.js";
    "/assets/words/en.json", "application/json", "words/en.json";
    "/assets/words/zh.json", "application/json", "words/zh.json";
    "/assets/words.js", "text/javascript; charset=utf-8", "words.js";
}

/// Serves a file.
pub async fn serve(asset: &'static Asset) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind))], asset.body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_of_the_pages_is_forgotten() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/assets");
        let mut stack = vec![folder];
        let mut count = 0;
        while let Some(folder) = stack.pop() {
            for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
                if entry.path().is_dir() {
                    stack.push(entry.path());
                } else {
                    let bytes = std::fs::read(entry.path()).expect("a file");
                    assert!(FILES.iter().any(|asset| asset.body == bytes), "{} is not served", entry.path().display());
                    count += 1;
                }
            }
        }
        assert_eq!(count, FILES.len());
    }
}
