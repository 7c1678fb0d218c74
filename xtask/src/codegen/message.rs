//! Emits the Rust of messages: structs, defaults, decoding, encoding.

use super::definition::{Definition, Field, Fixed, Type};
use super::model::{Model, Struct, rust_names};
use super::versions::Versions;
use super::{Api, Layout, Source, names};
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What generated files may import from crate `wire`'s primitives.
const PRIMITIVES: [&str; 9] =
    ["Array", "DecodeError", "Form", "Message", "Reader", "Records", "Request", "Uuid", "Writer"];

/// What nobody may read in a trace, by message: what Kafka's own requests and responses leave out of their texts. A struct with
/// such a field has a `Debug` that leaves it out, too.
const SECRETS: [(&str, &[&str]); 9] = [
    ("AlterConfigsRequest", &["Value"]),
    ("AlterUserScramCredentialsRequest", &["Salt", "SaltedPassword"]),
    ("CreateDelegationTokenResponse", &["TokenId", "Hmac"]),
    ("DescribeDelegationTokenResponse", &["TokenId", "Hmac"]),
    ("ExpireDelegationTokenRequest", &["Hmac"]),
    ("IncrementalAlterConfigsRequest", &["Value"]),
    ("RenewDelegationTokenRequest", &["Hmac"]),
    ("SaslAuthenticateRequest", &["AuthBytes"]),
    ("SaslAuthenticateResponse", &["AuthBytes"]),
];

/// `message/mod.rs`.
pub(crate) fn module_list(source: &Source) -> String {
    let mut out = String::from(
        "//! Kafka's requests and responses, one module per API, and the two headers.\n\
         //!\n\
         //! Everything that a Kafka 4.3 broker serves to clients is here, in every version; which of it Takhin\n\
         //! serves is not decided here. How to read and write messages: [`Message`](crate::Message).\n\n",
    );
    let mut modules: Vec<(String, String)> = Vec::new();
    for api in &source.apis {
        let names = format!("{{{}, {}}}", api.request.name, api.response.name);
        modules.push((names::snake(api.name()), names));
    }
    for header in &source.headers {
        modules.push((names::snake(&header.name), header.name.clone()));
    }
    modules.sort();
    for (module, _) in &modules {
        let _ = writeln!(out, "pub mod {module};");
    }
    out.push('\n');
    for (module, names) in &modules {
        let _ = writeln!(out, "pub use {module}::{names};");
    }
    out
}

/// `message/<api>.rs`.
pub(crate) fn api_file(api: &Api) -> anyhow::Result<String> {
    let request = Model::new(&api.request)?;
    let response = Model::new(&api.response)?;
    let request_emitter =
        Emitter { names: rust_names(&request, Some(&response), "Request"), model: &request };
    let response_emitter =
        Emitter { names: rust_names(&response, Some(&request), "Response"), model: &response };
    let mut body = request_emitter.message()?;
    let life = |emitter: &Emitter<'_>, name: &str, lifetime: &str| {
        if emitter.model.borrows(&Type::Struct(name.to_owned())) {
            format!("{name}<{lifetime}>")
        } else {
            name.to_owned()
        }
    };
    let _ = writeln!(
        body,
        "impl<'a> Request<'a> for {} {{\nconst KEY: ApiKey = ApiKey::{};\ntype Response<'b> = {};\n}}\n",
        life(&request_emitter, &api.request.name, "'a"),
        api.name(),
        life(&response_emitter, &api.response.name, "'b"),
    );
    body.push_str(&response_emitter.message()?);
    let head = format!("//! {}: API key {}, {}.\n", api.name(), api.key, versions_line(&api.request));
    Ok(with_imports(&head, "use crate::api::ApiKey;\n", "crate", &body))
}

/// A definition that has a file to itself: a header, or bytes inside a field. `wire` is how the file calls crate `wire`.
pub(crate) fn single_file(definition: &Definition, wire: &str) -> anyhow::Result<String> {
    let model = Model::new(definition)?;
    let body = Emitter { names: rust_names(&model, None, ""), model: &model }.message()?;
    let head = format!("//! {}: {}.\n", definition.name, versions_line(definition));
    Ok(with_imports(&head, "", wire, &body))
}

/// A key and a value in one file of another crate.
pub(crate) fn layout_file(layout: &Layout) -> anyhow::Result<String> {
    let key = Model::new(&layout.key)?;
    let value = Model::new(&layout.value)?;
    let mut body = Emitter { names: rust_names(&key, Some(&value), "Key"), model: &key }.message()?;
    body.push_str(&Emitter { names: rust_names(&value, Some(&key), "Value"), model: &value }.message()?);
    let head = format!("//! {}: records of kind {}.\n", layout.name(), layout.kind);
    Ok(with_imports(&head, "", "wire", &body))
}

fn versions_line(definition: &Definition) -> String {
    let valid = definition.valid;
    let mut out = counted(valid);
    match definition.flexible {
        flexible if flexible.is_none() => out.push_str(", none flexible"),
        flexible if flexible == valid => out.push_str(", flexible"),
        flexible => drop(write!(out, ", flexible since {}", flexible.first)),
    }
    if definition.last_unstable {
        let _ = write!(out, "; {} is not stable", valid.last);
    }
    out
}

/// "version 3" or "versions 3-5".
fn counted(versions: Versions) -> String {
    let noun = if versions.first == versions.last { "version" } else { "versions" };
    format!("{noun} {versions}")
}

/// `wire` is how the file calls crate `wire`.
fn with_imports(head: &str, imports: &str, wire: &str, body: &str) -> String {
    let used: Vec<&str> = PRIMITIVES.into_iter().filter(|name| has_word(body, name)).collect();
    let cow = if has_word(body, "Cow") { "use std::borrow::Cow;\n" } else { "" };
    let fmt = if has_word(body, "fmt") { "use std::fmt;\n" } else { "" };
    format!("{head}\n{imports}use {wire}::primitive::{{{}}};\n{cow}{fmt}\n{body}", used.join(", "))
}

fn has_word(text: &str, word: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(in_word) && !text[at + word.len()..].starts_with(in_word))
}

/// Emits one message and the structs below it.
struct Emitter<'m> {
    model: &'m Model<'m>,
    /// Rust's names of the structs, by Kafka's.
    names: BTreeMap<String, String>,
}

impl Emitter<'_> {
    fn message(&self) -> anyhow::Result<String> {
        let mut out = String::new();
        for item in &self.model.structs {
            let context = || format!("struct {}", item.name);
            out.push_str(&self.declaration(item).with_context(context)?);
            out.push_str(&self.implementation(item).with_context(context)?);
        }
        Ok(out)
    }

    fn is_top(&self, item: &Struct<'_>) -> bool {
        item.name == self.model.definition.name
    }

    /// The struct and, where Kafka's defaults are not Rust's, its `Default`.
    fn declaration(&self, item: &Struct<'_>) -> anyhow::Result<String> {
        let definition = self.model.definition;
        let mut out = match self.is_top(item) {
            true => format!("/// {}: {}.\n", definition.name, versions_line(definition)),
            false if item.versions == definition.valid => format!("/// Part of {}.\n", definition.name),
            false => format!("/// Part of {} in {}.\n", definition.name, counted(item.versions)),
        };
        let defaults: Vec<(String, String)> = item
            .fields
            .iter()
            .map(|field| Ok((names::field(&field.name), self.default(item, field)?)))
            .collect::<anyhow::Result<_>>()?;
        let derivable =
            item.fields.iter().zip(&defaults).all(|(field, (_, value))| is_rust_default(field, value));
        let shows_itself = !item.fields.iter().any(|field| self.is_secret(field));
        let derives = [(shows_itself, "Debug"), (true, "Clone"), (true, "PartialEq"), (derivable, "Default")];
        let derives: Vec<_> =
            derives.into_iter().filter(|(is_derived, _)| *is_derived).map(|(_, it)| it).collect();
        let ty = self.type_name(item.name);
        let _ = writeln!(out, "#[derive({})]\npub struct {ty} {{", derives.join(", "));
        for field in &item.fields {
            let doc = self.field_doc(item, field);
            let _ = writeln!(out, "{doc}pub {}: {},", names::field(&field.name), self.rust_type(item, field));
        }
        out.push_str("}\n\n");
        let ty = ty.replace("<'a>", "<'_>");
        if !shows_itself {
            out.push_str(&self.debug(item, &ty));
        }
        if !derivable {
            let _ = writeln!(out, "impl Default for {ty} {{\nfn default() -> Self {{\nSelf {{");
            for (name, value) in defaults {
                let _ = writeln!(out, "{name}: {value},");
            }
            out.push_str("}\n}\n}\n\n");
        }
        Ok(out)
    }

    fn is_secret(&self, field: &Field) -> bool {
        let of = SECRETS.iter().find(|(message, _)| *message == self.model.definition.name);
        of.is_some_and(|(_, fields)| fields.contains(&field.name.as_str()))
    }

    /// A `Debug` that says of secrets only that they are there.
    fn debug(&self, item: &Struct<'_>, ty: &str) -> String {
        let name = &self.names[item.name];
        let mut out = format!(
            "impl fmt::Debug for {ty} {{\nfn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{\n\
             f.debug_struct(\"{name}\")\n"
        );
        for field in &item.fields {
            let field_name = names::field(&field.name);
            let shown = match self.is_secret(field) {
                true => "format_args!(\"REDACTED\")".to_owned(),
                false => format!("self.{field_name}"),
            };
            let _ = writeln!(out, ".field(\"{}\", &{shown})", names::snake(&field.name));
        }
        out + ".finish()\n}\n}\n\n"
    }

    fn field_doc(&self, item: &Struct<'_>, field: &Field) -> String {
        let mut out = format!("/// {}", kafka_type(&field.ty));
        let present = field.versions.and(item.versions);
        if present != item.versions {
            let _ = write!(out, "; {}", counted(present));
        }
        match field.nullable.and(present) {
            nullable if nullable.is_none() => {}
            nullable if nullable == present => out.push_str("; nullable"),
            nullable => drop(write!(out, "; nullable in {nullable}")),
        }
        if let Some(default) = field.default.as_deref().filter(|default| !default.is_empty()) {
            let _ = write!(out, "; default {default}");
        }
        if let Some(tag) = field.tag {
            let _ = write!(out, "; tag {tag}");
        }
        out + ".\n"
    }

    fn implementation(&self, item: &Struct<'_>) -> anyhow::Result<String> {
        let decode = self.decode(item)?;
        let encode = self.encode(item)?;
        let version = |body: &str| if has_word(body, "version") { "version" } else { "_version" };
        Ok(format!(
            "impl<'a> Message<'a> for {} {{\nconst SIZE_MIN: usize = {};\n\n\
             fn decode(r: &mut Reader<'a>, {}: i16) -> Result<Self, DecodeError> {{\n{decode}}}\n\n\
             fn encode(&self, w: &mut Writer<'_>, {}: i16) {{\n{encode}}}\n}}\n\n",
            self.type_name(item.name),
            self.model.struct_size_min(item),
            version(&decode),
            version(&encode),
        ))
    }

    /// `let form = ...;` if `body` uses it.
    fn form(&self, item: &Struct<'_>, body: &str) -> String {
        if !has_word(body, "form") {
            return String::new();
        }
        match self.model.flexible(item) {
            flexible if flexible.is_none() => "let form = Form::Classic;\n".to_owned(),
            flexible if flexible == item.versions => "let form = Form::Compact;\n".to_owned(),
            flexible => format!("let form = Form::compact_since({}, version);\n", flexible.first),
        }
    }

    fn decode(&self, item: &Struct<'_>) -> anyhow::Result<String> {
        let mut fields = String::new();
        let mut tagged = String::new();
        for field in &item.fields {
            let name = names::field(&field.name);
            let default = self.default(item, field)?;
            let condition = field.versions.condition(item.versions);
            if let Some(tag) = field.tag {
                let value = self.read(item, field, "field");
                let guard = field.versions.condition(self.model.flexible(item));
                let guard = guard.map(|guard| format!(" if {guard}")).unwrap_or_default();
                let _ = writeln!(fields, "{name}: {default},");
                let _ = writeln!(tagged, "{tag}{guard} => message.{name} = {value},");
                continue;
            }
            let value = self.read(item, field, "r");
            let _ = match condition {
                None => writeln!(fields, "{name}: {value},"),
                Some(condition) => {
                    writeln!(fields, "{name}: if {condition} {{ {value} }} else {{ {default} }},")
                }
            };
        }
        let body = if self.model.flexible(item).is_none() {
            format!("Ok(Self {{\n{fields}}})\n")
        } else if tagged.is_empty() {
            format!("let message = Self {{\n{fields}}};\nr.skip_tagged_fields(form)?;\nOk(message)\n")
        } else {
            format!(
                "let mut message = Self {{\n{fields}}};\n\
                 r.tagged_fields(form, |field, tag| {{\nmatch tag {{\n{tagged}_ => field.skip_rest(),\n}}\n\
                 Ok(())\n}})?;\nOk(message)\n"
            )
        };
        Ok(format!("{}{}{body}", self.version_check(item), self.form(item, &body)))
    }

    fn version_check(&self, item: &Struct<'_>) -> String {
        if !self.is_top(item) {
            return String::new();
        }
        let condition = match item.versions {
            Versions { first, last } if first == last => format!("version != {first}"),
            Versions { first, last } => format!("!({first}..={last}).contains(&version)"),
        };
        let name = item.name;
        format!(
            "if {condition} {{\n\
             return Err(DecodeError::UnsupportedVersion {{ message: \"{name}\", version }});\n}}\n"
        )
    }

    /// The expression that reads a field which is there.
    fn read(&self, item: &Struct<'_>, field: &Field, r: &str) -> String {
        let form = field_form(field);
        let method = match &field.ty {
            Type::Fixed(fixed) => return format!("{r}.{}()?", fixed_method(*fixed)),
            Type::Struct(name) if !self.is_nullable(item, field) => {
                return format!("{}::decode({r}, version)?", self.names[name]);
            }
            Type::Struct(_) => return format!("{r}.{}(version)?", nullable_struct(field)),
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Records => "records",
            Type::Array(_) => "array",
        };
        let arguments = if method == "array" { format!("version, {form}") } else { form.to_owned() };
        let plain = format!("{r}.{method}({arguments})?");
        if !self.is_nullable(item, field) {
            return plain;
        }
        let nullable = format!("{r}.nullable_{method}({arguments})?");
        match field.nullable.condition(field.versions.and(item.versions)) {
            None => nullable,
            Some(condition) if method == "records" => {
                format!("if {condition} {{ {nullable} }} else {{ {plain} }}")
            }
            Some(condition) => format!("if {condition} {{ {nullable} }} else {{ Some({plain}) }}"),
        }
    }

    fn encode(&self, item: &Struct<'_>) -> anyhow::Result<String> {
        let mut body = String::new();
        let mut tagged: Vec<&Field> = Vec::new();
        // Neighbours that exist in the same versions share an `if`.
        let mut open: Option<String> = None;
        for field in &item.fields {
            if field.tag.is_some() {
                tagged.push(field);
                continue;
            }
            let condition = field.versions.condition(item.versions);
            if condition != open {
                body.push_str(if open.is_some() { "}\n" } else { "" });
                if let Some(condition) = &condition {
                    let _ = writeln!(body, "if {condition} {{");
                }
                open = condition;
            }
            let _ = writeln!(body, "{}", self.write(item, field));
        }
        body.push_str(if open.is_some() { "}\n" } else { "" });
        if !self.model.flexible(item).is_none() {
            self.encode_tagged(item, tagged, &mut body)?;
        }
        Ok(format!("{}{body}", self.form(item, &body)))
    }

    /// The tagged fields that are not at their defaults, tags ascending.
    fn encode_tagged(
        &self,
        item: &Struct<'_>,
        mut tagged: Vec<&Field>,
        body: &mut String,
    ) -> anyhow::Result<()> {
        tagged.sort_by_key(|field| field.tag);
        let mut counts = Vec::new();
        let mut writes = String::new();
        for field in tagged {
            let has = format!("has_{}", names::snake(&field.name));
            let differs = self.differs(item, field)?;
            let condition = field.versions.condition(item.versions);
            let condition = condition.map(|condition| format!("{condition} && ")).unwrap_or_default();
            let _ = writeln!(body, "let {has} = {condition}{differs};");
            counts.push(format!("u32::from({has})"));
            let tag = field.tag.context("is tagged")?;
            let statement = self.write(item, field);
            let statement = statement.trim_end_matches(';');
            let _ = writeln!(writes, "if {has} {{ w.tagged({tag}, |w| {statement}); }}");
        }
        let count = if counts.is_empty() { "0".to_owned() } else { counts.join(" + ") };
        let _ = writeln!(body, "w.tagged_count(form, {count});");
        body.push_str(&writes);
        Ok(())
    }

    /// The statement that writes a field.
    fn write(&self, item: &Struct<'_>, field: &Field) -> String {
        let form = field_form(field);
        let value = format!("self.{}", names::field(&field.name));
        let nullable = self.is_nullable(item, field);
        let (null_write, plain) = match &field.ty {
            Type::Fixed(_) if is_error_code(field) => return format!("w.error_code({value});"),
            Type::Fixed(fixed) => return format!("w.{}({value});", fixed_method(*fixed)),
            Type::Struct(_) if nullable => {
                return format!("w.{}({value}.as_ref(), version);", nullable_struct(field));
            }
            Type::Struct(_) => return format!("{value}.encode(w, version);"),
            Type::Records => {
                (format!("w.nullable_records(&{value}, {form});"), format!("w.records(&{value}, {form});"))
            }
            Type::Array(_) if nullable => (
                format!("w.nullable_array({value}.as_ref(), version, {form});"),
                format!("w.array_or_empty({value}.as_ref(), version, {form});"),
            ),
            Type::Array(_) => (String::new(), format!("w.array(&{value}, version, {form});")),
            ty => {
                let method = if *ty == Type::String { "string" } else { "bytes" };
                let plain = match nullable {
                    true => format!("w.{method}({value}.as_deref().unwrap_or_default(), {form});"),
                    false => format!("w.{method}(&{value}, {form});"),
                };
                (format!("w.nullable_{method}({value}.as_deref(), {form});"), plain)
            }
        };
        match (nullable, field.nullable.condition(field.versions.and(item.versions))) {
            (false, _) => plain,
            (true, None) => null_write,
            (true, Some(condition)) => format!("if {condition} {{ {null_write} }} else {{ {plain} }}"),
        }
    }

    fn is_nullable(&self, item: &Struct<'_>, field: &Field) -> bool {
        !field.nullable.and(field.versions).and(item.versions).is_none()
    }

    fn rust_type(&self, item: &Struct<'_>, field: &Field) -> String {
        let ty = self.rust_type_of(&field.ty);
        let optional = self.is_nullable(item, field) && field.ty != Type::Records;
        if optional { format!("Option<{ty}>") } else { ty }
    }

    fn rust_type_of(&self, ty: &Type) -> String {
        match ty {
            Type::Fixed(fixed) => fixed_type(*fixed).to_owned(),
            Type::String => "Cow<'a, str>".to_owned(),
            Type::Bytes => "Cow<'a, [u8]>".to_owned(),
            Type::Records => "Records<'a>".to_owned(),
            Type::Struct(name) => self.type_name(name),
            Type::Array(element) => format!("Array<'a, {}>", self.rust_type_of(element)),
        }
    }

    /// A struct's Rust name, with its lifetime if it has one.
    fn type_name(&self, name: &str) -> String {
        let borrows = self.model.borrows(&Type::Struct(name.to_owned()));
        format!("{}{}", self.names[name], if borrows { "<'a>" } else { "" })
    }

    /// Kafka's default as an expression.
    fn default(&self, item: &Struct<'_>, field: &Field) -> anyhow::Result<String> {
        let nullable = self.is_nullable(item, field);
        let text = field.default.as_deref();
        let value = match &field.ty {
            Type::Records => return Ok("Records::Null".to_owned()),
            _ if text == Some("null") && nullable => return Ok("None".to_owned()),
            Type::Fixed(fixed) => fixed_default(*fixed, text)?,
            Type::String => format!("Cow::Borrowed({:?})", text.unwrap_or_default()),
            Type::Bytes if text.is_none() => "Cow::Borrowed(&[])".to_owned(),
            Type::Array(_) if text.is_none() => "Array::new()".to_owned(),
            Type::Struct(name) if text.is_none() => format!("{}::default()", self.names[name]),
            _ => bail!("default `{text:?}` of {}", field.name),
        };
        Ok(if nullable { format!("Some({value})") } else { value })
    }

    /// The expression that says whether a tagged field is worth writing.
    fn differs(&self, item: &Struct<'_>, field: &Field) -> anyhow::Result<String> {
        let default = self.default(item, field)?;
        let value = format!("self.{}", names::field(&field.name));
        Ok(match default.as_str() {
            "None" => format!("{value}.is_some()"),
            "false" => value,
            "true" => format!("!{value}"),
            "Array::new()" | "Cow::Borrowed(\"\")" => format!("!{value}.is_empty()"),
            default => format!("{value} != {default}"),
        })
    }
}

/// Fields with their own flexible versions have none, so far only the header's client id.
fn field_form(field: &Field) -> &'static str {
    if field.flexible == Some(Versions::NONE) { "Form::Classic" } else { "form" }
}

/// Whether a field says what became of something that was asked for. Kafka counts no tagged one.
fn is_error_code(field: &Field) -> bool {
    field.ty == Type::Fixed(Fixed::Int16) && field.name.ends_with("ErrorCode") && field.tag.is_none()
}

/// Whether `#[derive(Default)]` gives the same value.
fn is_rust_default(field: &Field, value: &str) -> bool {
    let plain = ["None", "0", "0.0", "false", "Uuid::ZERO", "Records::Null", "Array::new()"];
    let borrowed = ["Cow::Borrowed(\"\")", "Cow::Borrowed(&[])"];
    plain.contains(&value)
        || borrowed.contains(&value)
        || matches!(field.ty, Type::Struct(_)) && value.ends_with("::default()")
}

/// The method for a struct or null: tagged fields have a form of their own.
fn nullable_struct(field: &Field) -> &'static str {
    if field.tag.is_some() { "tagged_nullable_struct" } else { "nullable_struct" }
}

fn fixed_method(fixed: Fixed) -> &'static str {
    match fixed {
        Fixed::Bool => "bool",
        Fixed::Int8 => "int8",
        Fixed::Int16 => "int16",
        Fixed::Uint16 => "uint16",
        Fixed::Int32 => "int32",
        Fixed::Int64 => "int64",
        Fixed::Float64 => "float64",
        Fixed::Uuid => "uuid",
    }
}

fn fixed_type(fixed: Fixed) -> &'static str {
    match fixed {
        Fixed::Bool => "bool",
        Fixed::Int8 => "i8",
        Fixed::Int16 => "i16",
        Fixed::Uint16 => "u16",
        Fixed::Int32 => "i32",
        Fixed::Int64 => "i64",
        Fixed::Float64 => "f64",
        Fixed::Uuid => "Uuid",
    }
}

fn fixed_default(fixed: Fixed, text: Option<&str>) -> anyhow::Result<String> {
    let text = text.unwrap_or(match fixed {
        Fixed::Bool => "false",
        Fixed::Float64 => "0.0",
        Fixed::Uuid => return Ok("Uuid::ZERO".to_owned()),
        _ => "0",
    });
    if matches!(fixed, Fixed::Bool | Fixed::Float64) {
        return Ok(text.to_owned());
    }
    let number = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16)?,
        None => text.parse::<i64>()?,
    };
    Ok(match (fixed, number) {
        (Fixed::Int32, n) if n == i64::from(i32::MAX) => "i32::MAX".to_owned(),
        (Fixed::Int32, n) if n == i64::from(i32::MIN) => "i32::MIN".to_owned(),
        (Fixed::Int64, i64::MAX) => "i64::MAX".to_owned(),
        (_, n) => n.to_string(),
    })
}

/// A type in Kafka's words.
pub(crate) fn kafka_type(ty: &Type) -> String {
    match ty {
        Type::Fixed(fixed) => fixed_method(*fixed).to_owned(),
        Type::String => "string".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Records => "records".to_owned(),
        Type::Struct(name) => name.clone(),
        Type::Array(element) => format!("array of {}", kafka_type(element)),
    }
}
