//! A definition as Rust sees it: a list of structs, each with the versions it exists in.

use super::definition::{Definition, Field, Fixed, Type};
use super::versions::Versions;
use anyhow::{Context, ensure};
use std::collections::BTreeMap;

/// A message's structs, the message itself first.
pub(crate) struct Model<'d> {
    pub(crate) definition: &'d Definition,
    pub(crate) structs: Vec<Struct<'d>>,
}

pub(crate) struct Struct<'d> {
    /// Kafka's name, which fields refer to.
    pub(crate) name: &'d str,
    /// Versions in which the message can hold it.
    pub(crate) versions: Versions,
    /// Fields that some of these versions have.
    pub(crate) fields: Vec<&'d Field>,
}

impl<'d> Model<'d> {
    pub(crate) fn new(definition: &'d Definition) -> anyhow::Result<Self> {
        let mut model = Self { definition, structs: Vec::new() };
        model.add(&definition.name, &definition.fields, definition.valid)?;
        for item in &model.structs {
            for field in &item.fields {
                model.check(item, field).with_context(|| format!("{}.{}", item.name, field.name))?;
            }
        }
        Ok(model)
    }

    /// Adds a struct, or widens its versions, and goes on with the structs below it.
    fn add(&mut self, name: &'d str, fields: &'d [Field], versions: Versions) -> anyhow::Result<()> {
        let known = match self.structs.iter_mut().find(|item| item.name == name) {
            Some(item) => {
                item.versions = item.versions.hull(versions);
                item.versions
            }
            None => {
                self.structs.push(Struct { name, versions, fields: Vec::new() });
                versions
            }
        };
        for field in fields.iter().filter(|field| !field.versions.and(known).is_none()) {
            let item = self.structs.iter_mut().find(|item| item.name == name).context("just added")?;
            if !item.fields.iter().any(|other| std::ptr::eq(*other, field)) {
                item.fields.push(field);
            }
            if let Some(below) = struct_name(&field.ty) {
                let below_fields = self.fields_of(field, below)?;
                self.add(below, below_fields, field.versions.and(known))?;
            }
        }
        Ok(())
    }

    fn fields_of(&self, field: &'d Field, name: &str) -> anyhow::Result<&'d [Field]> {
        if !field.fields.is_empty() {
            return Ok(&field.fields);
        }
        let common = self.definition.common.iter().find(|common| common.name == name);
        Ok(&common.with_context(|| format!("struct `{name}` is not defined"))?.fields)
    }

    /// Shapes that no definition has so far and that the generator would get wrong.
    fn check(&self, item: &Struct<'_>, field: &Field) -> anyhow::Result<()> {
        let present = field.versions.and(item.versions);
        let nullable = field.nullable.and(present);
        if field.tag.is_some() {
            ensure!(field.tagged.and(item.versions) == present, "tagged only in some versions");
            ensure!(self.flexible(item).and(present) == present, "tagged in a version that is not flexible");
            ensure!(!self.holds_records(&field.ty), "records in a tagged field");
        }
        match &field.ty {
            Type::Struct(_) => ensure!(nullable.is_none() || nullable == present, "struct nullable in part"),
            Type::Array(element) => {
                ensure!(!matches!(**element, Type::Array(_) | Type::Bytes | Type::Records), "element type");
                let version = present.iter().find(|&version| self.size_min(element, version) == 0);
                ensure!(version.is_none(), "elements of no bytes in version {version:?}");
            }
            Type::Fixed(_) => ensure!(nullable.is_none(), "nullable number"),
            Type::String | Type::Bytes | Type::Records => {}
        }
        Ok(())
    }

    pub(crate) fn get(&self, name: &str) -> &Struct<'d> {
        self.structs.iter().find(|item| item.name == name).expect("`add` has entered every struct")
    }

    /// The versions of `item` that are flexible.
    pub(crate) fn flexible(&self, item: &Struct<'_>) -> Versions {
        self.definition.flexible.and(item.versions)
    }

    /// Whether the Rust type has a lifetime.
    pub(crate) fn borrows(&self, ty: &Type) -> bool {
        match ty {
            Type::Fixed(_) => false,
            Type::String | Type::Bytes | Type::Records | Type::Array(_) => true,
            Type::Struct(name) => self.get(name).fields.iter().any(|field| self.borrows(&field.ty)),
        }
    }

    fn holds_records(&self, ty: &Type) -> bool {
        match ty {
            Type::Records => true,
            Type::Fixed(_) | Type::String | Type::Bytes => false,
            Type::Array(element) => self.holds_records(element),
            Type::Struct(name) => self.get(name).fields.iter().any(|field| self.holds_records(&field.ty)),
        }
    }

    /// Fewest bytes of a struct in any of its versions.
    pub(crate) fn struct_size_min(&self, item: &Struct<'_>) -> usize {
        item.versions.iter().map(|version| self.size_of(item, version)).min().unwrap_or(0)
    }

    fn size_of(&self, item: &Struct<'_>, version: i16) -> usize {
        let fields =
            item.fields.iter().filter(|field| field.versions.contains(version) && field.tag.is_none());
        let size: usize = fields
            .map(|field| match &field.ty {
                Type::Struct(_) if field.nullable.contains(version) => 1,
                ty if field.flexible == Some(Versions::NONE) && *ty == Type::String => 2,
                ty => self.size_min(ty, version),
            })
            .sum();
        size + usize::from(self.definition.flexible.contains(version))
    }

    /// Fewest bytes of a value.
    fn size_min(&self, ty: &Type, version: i16) -> usize {
        let compact = self.definition.flexible.contains(version);
        match ty {
            Type::Fixed(Fixed::Bool | Fixed::Int8) => 1,
            Type::Fixed(Fixed::Int16 | Fixed::Uint16) => 2,
            Type::Fixed(Fixed::Int32) => 4,
            Type::Fixed(Fixed::Int64 | Fixed::Float64) => 8,
            Type::Fixed(Fixed::Uuid) => 16,
            Type::String if !compact => 2,
            Type::Bytes | Type::Records | Type::Array(_) if !compact => 4,
            Type::String | Type::Bytes | Type::Records | Type::Array(_) => 1,
            Type::Struct(name) => self.size_of(self.get(name), version),
        }
    }
}

/// The struct that a type is, or is an array of.
pub(crate) fn struct_name(ty: &Type) -> Option<&str> {
    match ty {
        Type::Struct(name) => Some(name),
        Type::Array(element) => struct_name(element),
        _ => None,
    }
}

/// The Rust names of the structs below a request and its response, by Kafka's name.
///
/// A name that both use for different things gets `Request` or `Response` in front.
pub(crate) fn rust_names(
    model: &Model<'_>,
    other: Option<&Model<'_>>,
    prefix: &str,
) -> BTreeMap<String, String> {
    let taken = |name: &str| other.is_some_and(|other| other.structs.iter().any(|item| item.name == name));
    let rust_name = |name: &str| if taken(name) { format!("{prefix}{name}") } else { name.to_owned() };
    model.structs.iter().map(|item| (item.name.to_owned(), rust_name(item.name))).collect()
}
