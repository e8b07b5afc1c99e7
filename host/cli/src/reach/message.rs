//! What is said on a socket: one JSON object a line, each with the version of the language.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::{Error, Result};

use super::form::{SavepointAsk, SavepointTaken, Status, SwapAsk, SwapDone};
use crate::registry::Failure;

/// The version of the language.
const VERSION: u64 = 1;

/// What is asked of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// How it is.
    Status,
    /// A savepoint, and perhaps its end.
    Savepoint(SavepointAsk),
    /// Its end, at once.
    Cancel,
    /// New versions of operators.
    Swap(SwapAsk),
}

/// What the job says to that: any number of lines that tell how far it is, then one that ends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// It is being done; with what there is to do, if that is known. Sent every moment, also to say that the job is still there.
    Progress {
        /// What is done.
        done: u64,
        /// What there is to do, in the same unit; 0: nobody knows.
        total: u64,
        /// What is being done.
        phase: Option<String>,
    },
    /// How the job is.
    Status(Box<Status>),
    /// The savepoint is there.
    Savepoint(SavepointTaken),
    /// The job ends.
    Cancelled,
    /// The new version runs.
    Swap(Box<SwapDone>),
    /// It can't be done.
    Error(Failure),
}

/// A line for a message.
pub(crate) fn encode<M: Serialize>(message: &M) -> Vec<u8> {
    // Texts, numbers and lists: there is nothing in them that JSON can't hold.
    let mut value = serde_json::to_value(message).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.insert("version".to_owned(), VERSION.into());
    }
    format!("{value}\n").into_bytes()
}

/// The message in a line.
///
/// # Errors
/// When it is something else, or of another version.
pub(crate) fn decode<M: DeserializeOwned>(line: &[u8]) -> Result<M> {
    let refuse = |why: String| Error::usage("the message on the job's socket can't be read", why, "use the `weir` that started the job");
    let mut value: Value = serde_json::from_slice(line).map_err(|error| refuse(format!("it is not JSON: {error}")))?;
    let version = value.as_object_mut().and_then(|fields| fields.remove("version"));
    match version.as_ref().and_then(Value::as_u64) {
        Some(VERSION) => serde_json::from_value(value).map_err(|error| refuse(error.to_string())),
        Some(other) => Err(refuse(format!("it is of version {other}, and this weir speaks version {VERSION}"))),
        None => Err(refuse("it has no version".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_as_it_was_sent() {
        let asks = [
            Ask::Status,
            Ask::Cancel,
            Ask::Savepoint(SavepointAsk { dir: Some("a\nb".to_owned()), ..SavepointAsk::default() }),
            Ask::Swap(SwapAsk { uids: vec!["count".to_owned()], diff_max: 0.25, shadow_ms: Some(5), ..SwapAsk::default() }),
        ];
        for ask in asks {
            let line = encode(&ask);
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(decode::<Ask>(&line).unwrap(), ask);
        }
        let error = Error::usage("a", "b", "c");
        let answers = [
            Answer::Progress { done: 1, total: 2, phase: Some("shadow".to_owned()) },
            Answer::Status(Box::default()),
            Answer::Savepoint(SavepointTaken { location: "/x".to_owned(), ..SavepointTaken::default() }),
            Answer::Cancelled,
            Answer::Swap(Box::default()),
            Answer::Error(Failure::from(&error)),
        ];
        for answer in answers {
            assert_eq!(decode::<Answer>(&encode(&answer)).unwrap(), answer);
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_the_reason() {
        let check = |line: &str, why: &str| {
            let error = decode::<Ask>(line.as_bytes()).unwrap_err();
            assert!(error.why.contains(why), "{line}: {error}");
        };
        check("", "not JSON");
        check("GET / HTTP/1.1\r", "not JSON");
        check("7", "no version");
        check("[]", "no version");
        check(r#"{"do":"status"}"#, "no version");
        check(r#"{"do":"status","version":2}"#, "version 2, and this weir speaks version 1");
        check(r#"{"do":"status","version":"1"}"#, "no version");
        check(r#"{"do":"dance","version":1}"#, "dance");
        check(r#"{"do":"savepoint","version":1}"#, "missing field");
        check(r#"{"do":"swap","version":1,"uids":7}"#, "invalid type");
    }
}
