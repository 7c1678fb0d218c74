//! Reads Kafka's message definitions: JSON with `//` comments.

use super::versions::Versions;
use anyhow::{Context, bail};
use serde_json::Value;

/// One definition file of a message that still has versions.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) valid: Versions,
    pub(crate) flexible: Versions,
    pub(crate) last_unstable: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) common: Vec<Common>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request {
        key: i16,
        to_broker: bool,
    },
    Response {
        key: i16,
    },
    Header,
    /// Of a record in an internal topic; a key begins with its kind as 16 bits.
    RecordKey {
        kind: i16,
    },
    RecordValue {
        kind: i16,
    },
    /// Bytes inside a field of a message, behind their version.
    Data,
}

/// A struct that several fields of the definition share.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) versions: Versions,
    pub(crate) nullable: Versions,
    pub(crate) tagged: Versions,
    pub(crate) tag: Option<u32>,
    /// As written, numbers and booleans as their text.
    pub(crate) default: Option<String>,
    /// Overrides the definition's flexible versions.
    pub(crate) flexible: Option<Versions>,
    /// Of a struct that is defined in place.
    pub(crate) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// A number, `bool` or `uuid`, by Kafka's name.
    Fixed(Fixed),
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Type>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fixed {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
}

/// `None` for what is no message between client and broker, nothing inside one and no coordinator's record, or has no version left.
pub(crate) fn parse(text: &str) -> anyhow::Result<Option<Definition>> {
    let json: Value = serde_json::from_str(&without_comments(text))?;
    let key = || -> anyhow::Result<i16> { Ok(i16::try_from(json["apiKey"].as_i64().context("apiKey")?)?) };
    let kind = match string(&json, "type")? {
        "request" => Kind::Request { key: key()?, to_broker: listens(&json) },
        "response" => Kind::Response { key: key()? },
        "header" => Kind::Header,
        "coordinator-key" => Kind::RecordKey { kind: key()? },
        "coordinator-value" => Kind::RecordValue { kind: key()? },
        "data" => Kind::Data,
        _ => return Ok(None),
    };
    let valid = versions(&json, "validVersions")?;
    if valid.is_none() {
        return Ok(None);
    }
    let mut common = Vec::new();
    for entry in json["commonStructs"].as_array().into_iter().flatten() {
        common.push(Common { name: string(entry, "name")?.to_owned(), fields: fields(entry)? });
    }
    Ok(Some(Definition {
        kind,
        name: string(&json, "name")?.to_owned(),
        valid,
        flexible: versions(&json, "flexibleVersions")?.and(valid),
        last_unstable: json["latestVersionUnstable"].as_bool().unwrap_or(false),
        fields: fields(&json)?,
        common,
    }))
}

fn listens(json: &Value) -> bool {
    json["listeners"].as_array().into_iter().flatten().any(|listener| listener == "broker")
}

fn fields(json: &Value) -> anyhow::Result<Vec<Field>> {
    let Some(entries) = json["fields"].as_array() else { return Ok(Vec::new()) };
    entries.iter().map(|entry| field(entry).with_context(|| entry["name"].to_string())).collect()
}

fn field(json: &Value) -> anyhow::Result<Field> {
    let default = match &json["default"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let flexible = json.get("flexibleVersions").map(|_| versions(json, "flexibleVersions")).transpose()?;
    let tag = json["tag"].as_u64().map(u32::try_from).transpose()?;
    Ok(Field {
        name: string(json, "name")?.to_owned(),
        ty: ty(string(json, "type")?)?,
        versions: versions(json, "versions")?,
        nullable: versions(json, "nullableVersions")?,
        tagged: versions(json, "taggedVersions")?,
        tag,
        default,
        flexible,
        fields: fields(json)?,
    })
}

fn ty(name: &str) -> anyhow::Result<Type> {
    if let Some(element) = name.strip_prefix("[]") {
        return Ok(Type::Array(Box::new(ty(element)?)));
    }
    Ok(match name {
        "bool" => Type::Fixed(Fixed::Bool),
        "int8" => Type::Fixed(Fixed::Int8),
        "int16" => Type::Fixed(Fixed::Int16),
        "uint16" => Type::Fixed(Fixed::Uint16),
        "int32" => Type::Fixed(Fixed::Int32),
        "int64" => Type::Fixed(Fixed::Int64),
        "float64" => Type::Fixed(Fixed::Float64),
        "uuid" => Type::Fixed(Fixed::Uuid),
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "records" => Type::Records,
        name if name.starts_with(char::is_uppercase) => Type::Struct(name.to_owned()),
        name => bail!("type `{name}` is not known"),
    })
}

/// Absent is "none".
fn versions(json: &Value, key: &str) -> anyhow::Result<Versions> {
    match &json[key] {
        Value::Null => Ok(Versions::NONE),
        value => Versions::parse(value.as_str().context("versions are a string")?),
    }
}

fn string<'j>(json: &'j Value, key: &str) -> anyhow::Result<&'j str> {
    json[key].as_str().with_context(|| format!("no `{key}`"))
}

/// Cuts `//` to the line's end, except inside a string.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut in_string = false;
        let mut end = line.len();
        for (at, c) in line.char_indices() {
            match c {
                '"' => in_string = !in_string,
                '/' if !in_string && line[at..].starts_with("//") => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        out.push_str(&line[..end]);
        out.push('\n');
    }
    out
}
