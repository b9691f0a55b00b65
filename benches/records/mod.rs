//! The records with which journal and log are measured.

use pointsman::journal::Writer;
use pointsman::model::{StepId, Timestamp};
use pointsman::run::Event;
use serde_json::json;

pub fn append(writer: &mut Writer, event: Event) {
    writer.append(Timestamp::from_millis(1_795_219_200_000), 1, event).unwrap();
}

/// An intent as a real step writes it, some 400 bytes as a frame.
pub fn intent(n: usize) -> Event {
    Event::AttemptStarted {
        step: StepId::new(format!("step-{n}")),
        attempt: 1,
        params: json!({"accounts": ["shop_app@%", "shop_job@%"], "databases": ["shop"]}),
        identity: json!({"server_id": 101}),
        snapshot: json!({"grants": ["SELECT", "INSERT", "UPDATE", "DELETE"]}),
        timeout_ms: 120_000,
    }
}
