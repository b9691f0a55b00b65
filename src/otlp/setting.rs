//! Where traces go, and how: the environment variables of OpenTelemetry's specification, so that nothing secret stands in a command
//! line and one host is set up in one way for every program.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// How long one request may take where nothing says so: the default of the specification.
const TIMEOUT_MS: u64 = 10_000;
const PATH: &str = "/v1/traces";

/// Where traces go.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The address of the collector, with its path.
    pub url: Url,
    /// What every request carries. The values are never shown.
    pub headers: HeaderMap,
    /// How long one request may take.
    pub timeout: Duration,
    /// A file with the certificate of the authority that is trusted too.
    pub certificate: Option<PathBuf>,
    /// What the resource of every span says beside what the run knows.
    pub resource: Vec<(String, String)>,
}

/// Why nothing can be sent. No value of a variable is in it, but for addresses that were refused for their form.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingError {
    /// An address is none.
    #[error("{0} is no address to send traces to: write `http://host:4318` or `https://host`")]
    Address(&'static str),
    /// An address carries a password.
    #[error("{0} has a user or a password in it: put what the collector asks for into OTEL_EXPORTER_OTLP_HEADERS")]
    Password(&'static str),
    /// Another protocol is asked for.
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL asks for `{0}`; traces are sent as http/protobuf, which collectors take at port 4318")]
    Protocol(String),
    /// A variable cannot be read.
    #[error("{0} cannot be read: {1}")]
    Variable(&'static str, &'static str),
    /// The environment turns it off.
    #[error("OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER says that no traces are sent")]
    Disabled,
}

impl Setting {
    /// What the environment says, and the command line: `given` counts more than a variable. None where nobody asked for traces.
    ///
    /// # Errors
    /// When something is asked for that cannot be done.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>, given: Option<&str>) -> Result<Option<Self>, SettingError> {
        let set = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let either = |special: &'static str, general: &'static str| {
            set(special).map(|text| (special, text)).or_else(|| set(general).map(|text| (general, text)))
        };
        let found = match given {
            Some(text) => Some((based("--otlp", text)?, true)),
            None => match set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
                Some(text) => Some((address("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &text)?, false)),
                None => match set("OTEL_EXPORTER_OTLP_ENDPOINT") {
                    Some(text) => Some((based("OTEL_EXPORTER_OTLP_ENDPOINT", &text)?, false)),
                    None => None,
                },
            },
        };
        let Some((url, is_given)) = found else { return Ok(None) };
        let is_off = set("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
            || set("OTEL_TRACES_EXPORTER").is_some_and(|text| !text.split(',').any(|exporter| exporter.trim() == "otlp"));
        if is_off {
            return if is_given { Err(SettingError::Disabled) } else { Ok(None) };
        }
        if let Some((_, protocol)) = either("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
            && protocol != "http/protobuf"
        {
            return Err(SettingError::Protocol(protocol));
        }
        let timeout_ms = match either("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
            Some((name, text)) => text.parse().map_err(|_| SettingError::Variable(name, "it is no number of milliseconds"))?,
            None => TIMEOUT_MS,
        };
        Ok(Some(Self {
            url,
            headers: match either("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS") {
                Some((name, text)) => headers(name, &text)?,
                None => HeaderMap::new(),
            },
            timeout: Duration::from_millis(timeout_ms),
            certificate: either("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE")
                .map(|(_, path)| PathBuf::from(path)),
            resource: resource(&set)?,
        }))
    }

    /// What the resource of a trace says beside what the run knows, for a trace that goes nowhere.
    ///
    /// # Errors
    /// When the variable cannot be read.
    pub fn resource_of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, SettingError> {
        resource(&|name: &str| variable(name).filter(|text| !text.trim().is_empty()))
    }
}

/// An address that is taken as it is.
fn address(name: &'static str, text: &str) -> Result<Url, SettingError> {
    let url = Url::parse(text).map_err(|_| SettingError::Address(name))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(SettingError::Address(name));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SettingError::Password(name));
    }
    Ok(url)
}

/// An address to which the path of traces is added, where it does not end in it.
fn based(name: &'static str, text: &str) -> Result<Url, SettingError> {
    let mut url = address(name, text)?;
    let path = url.path().trim_end_matches('/');
    if !path.ends_with(PATH) {
        let path = format!("{path}{PATH}");
        url.set_path(&path);
    }
    Ok(url)
}

fn headers(name: &'static str, text: &str) -> Result<HeaderMap, SettingError> {
    let mut found = HeaderMap::new();
    for (key, value) in pairs(name, text)? {
        let key = HeaderName::from_bytes(key.as_bytes());
        let value = HeaderValue::from_str(&value);
        let (Ok(key), Ok(mut value)) = (key, value) else {
            return Err(SettingError::Variable(name, "a name or a value cannot be sent as a header"));
        };
        value.set_sensitive(true);
        found.insert(key, value);
    }
    Ok(found)
}

fn resource(set: &dyn Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, SettingError> {
    const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
    let mut found = set(NAME).map_or_else(|| Ok(Vec::new()), |text| pairs(NAME, &text))?;
    if let Some(service) = set("OTEL_SERVICE_NAME") {
        found.retain(|(key, _)| key != "service.name");
        found.push(("service.name".to_owned(), service));
    }
    Ok(found)
}

/// `key=value,key=value`, the values with `%2C` for what they cannot contain.
fn pairs(name: &'static str, text: &str) -> Result<Vec<(String, String)>, SettingError> {
    let wrong = || SettingError::Variable(name, "it has to be `name=value,name=value`");
    let pair = |part: &str| {
        let (key, value) = part.split_once('=').ok_or_else(wrong)?;
        let key = key.trim();
        if key.is_empty() {
            return Err(wrong());
        }
        Ok((key.to_owned(), decoded(value.trim()).ok_or_else(wrong)?))
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let code = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(code).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn of(variables: &[(&str, &str)], given: Option<&str>) -> Result<Option<Setting>, SettingError> {
        let set = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Setting::of(&set, given)
    }

    #[test]
    fn an_address_comes_from_the_command_line_or_the_environment() {
        assert!(of(&[], None).unwrap().is_none());
        let url = |variables: &[(&str, &str)], given| of(variables, given).unwrap().unwrap().url.to_string();
        assert_eq!(url(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/")], None), "http://a:4318/v1/traces");
        assert_eq!(url(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a/otel")], None), "https://a/otel/v1/traces");
        let both = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b/in")];
        assert_eq!(url(&both, None), "http://b/in");
        assert_eq!(url(&both, Some("http://c:4318")), "http://c:4318/v1/traces");
        assert_eq!(url(&[], Some("http://c:4318/v1/traces")), "http://c:4318/v1/traces");
    }

    #[test]
    fn what_turns_it_off_is_heeded() {
        let at = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a");
        assert!(of(&[at, ("OTEL_SDK_DISABLED", "true")], None).unwrap().is_none());
        assert!(of(&[at, ("OTEL_TRACES_EXPORTER", "none")], None).unwrap().is_none());
        assert!(of(&[at, ("OTEL_TRACES_EXPORTER", "console, otlp")], None).unwrap().is_some());
        assert_eq!(of(&[("OTEL_SDK_DISABLED", "TRUE")], Some("http://a")).unwrap_err(), SettingError::Disabled);
    }

    #[test]
    fn headers_and_resources_are_read_as_the_specification_writes_them() {
        let found = of(
            &[
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20s3cret, x-team = night%2Cshift"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=ops"),
                ("OTEL_SERVICE_NAME", "cutover"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ],
            Some("http://a"),
        );
        let found = found.unwrap().unwrap();
        assert_eq!(found.headers["authorization"], "Bearer s3cret");
        assert_eq!(found.headers["x-team"], "night,shift");
        assert!(!format!("{found:?}").contains("s3cret"), "a secret can be printed");
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(found.resource, [pair("team", "ops"), pair("service.name", "cutover")]);
        assert_eq!(found.timeout, Duration::from_millis(2_500));
    }

    #[test]
    fn what_cannot_be_done_is_said_and_no_secret_with_it() {
        let wrong = |variables: &[(&str, &str)], given| of(variables, given).unwrap_err().to_string();
        assert!(wrong(&[], Some("collector:4318")).contains("http://host:4318"));
        assert!(!wrong(&[], Some("http://me:s3cret@a")).contains("s3cret"));
        assert!(wrong(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], Some("http://a")).contains("http/protobuf"));
        for text in ["s3cret", "=s3cret", "key=%zzs3cret", "ke y=s3cret", "key=s3cret\u{1}"] {
            assert!(!wrong(&[("OTEL_EXPORTER_OTLP_HEADERS", text)], Some("http://a")).contains("s3cret"), "{text}");
        }
    }
}
