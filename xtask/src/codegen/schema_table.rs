//! Emits the fields of all messages as data for crate `wire`'s tests, which build random messages from them.

use super::definition::{Definition, Field, Fixed, Type};
use super::versions::Versions;
use super::{Api, Source};
use std::fmt::Write;

/// `tests/schema/table.rs`.
pub(crate) fn file(source: &Source) -> String {
    let mut apis = String::new();
    let mut list = String::new();
    for Api { key, request, response } in &source.apis {
        let _ = writeln!(
            apis,
            "Api {{ key: {key}, request: {}, response: {} }},",
            message(request),
            message(response)
        );
        let _ = writeln!(list, "({key}, {}, {}),", request.name, response.name);
    }
    format!(
        "//! All messages of all APIs, as data.\n\n\
         use super::{{Api, Message, Type, field}};\n\n\
         /// Hands `(key, request type, response type)` of each API to a macro.\n\
         macro_rules! with_all_messages {{\n($callback:ident) => {{\n$callback! {{\n{list}}}\n}};\n}}\n\
         pub(crate) use with_all_messages;\n\n\
         /// Keys ascending.\n\
         pub(crate) static APIS: [Api; {}] = [\n{apis}];\n",
        source.apis.len()
    )
}

fn message(definition: &Definition) -> String {
    format!(
        "Message {{ name: \"{}\", versions: {}, flexible: {}, fields: &[{}] }}",
        definition.name,
        pair(definition.valid),
        pair(definition.flexible),
        fields(definition, &definition.fields, definition.valid)
    )
}

fn fields(definition: &Definition, fields: &[Field], versions: Versions) -> String {
    let mut out = String::new();
    for item in fields {
        let present = item.versions.and(versions);
        if present.is_none() {
            continue;
        }
        let ty = ty(definition, item, &item.ty, present);
        let _ = write!(out, "field(\"{}\", {ty}, {})", item.name, pair(present));
        if !item.nullable.and(present).is_none() {
            let _ = write!(out, ".nullable{}", pair(item.nullable.and(present)));
        }
        if let Some(tag) = item.tag {
            let _ = write!(out, ".tag({tag})");
        }
        out.push_str(",\n");
    }
    out
}

fn ty(definition: &Definition, item: &Field, of: &Type, present: Versions) -> String {
    let name = match of {
        Type::Fixed(Fixed::Bool) => "Bool",
        Type::Fixed(Fixed::Int8) => "Int(1)",
        Type::Fixed(Fixed::Int16 | Fixed::Uint16) => "Int(2)",
        Type::Fixed(Fixed::Int32) => "Int(4)",
        Type::Fixed(Fixed::Int64) => "Int(8)",
        Type::Fixed(Fixed::Float64) => "Float",
        Type::Fixed(Fixed::Uuid) => "Uuid",
        Type::String => "String",
        Type::Bytes => "Bytes",
        Type::Records => "Records",
        Type::Array(element) => return format!("Type::Array(&{})", ty(definition, item, element, present)),
        Type::Struct(name) => {
            let common = definition.common.iter().find(|common| common.name == *name);
            let below = common.map_or(&item.fields, |common| &common.fields);
            return format!("Type::Struct(&[{}])", fields(definition, below, present));
        }
    };
    format!("Type::{name}")
}

fn pair(versions: Versions) -> String {
    format!("({}, {})", versions.first, versions.last)
}
