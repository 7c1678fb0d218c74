//! `takhin config check|show|get`, and reading the configuration for whoever needs it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use env::disk::{Access, Caching, Disk, RealDisk};
use serde_json::{Value, json};

use super::UsageError;
use crate::{
    cli::{ConfigCommand, Settings},
    config::{self, ConfigError, InForce, Key, Origin, Sources},
    output::{self, Output, Table},
};

/// Runs `takhin config …`.
///
/// # Errors
/// What is wrong with the configuration, or that the result can't be printed.
pub(crate) fn run(command: ConfigCommand) -> Result<()> {
    match command {
        ConfigCommand::Check { file } => check(&file),
        ConfigCommand::Show { settings, output } => show(&in_force(&settings)?, &Output::new(&output)),
        ConfigCommand::Get { key, settings, output } => {
            get(&in_force(&settings)?, &key, &Output::new(&output))
        }
    }
}

/// The file alone, over the defaults: the environment of whoever checks is not the broker's.
fn check(path: &Path) -> Result<()> {
    let mut sources = Sources::default();
    let resolved = match sources.file(path, &read(path)?) {
        Ok(()) => sources.resolve(),
        Err(e) => Err(vec![e]),
    };
    match resolved {
        Ok(in_force) => {
            for line in in_force.without_effect() {
                output::complain(&format!("warning: {line}"));
            }
            output::line(&format!("{}: valid", path.display()))?;
            Ok(output::finish()?)
        }
        Err(errors) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            bail!(lines.join("\ntakhin: "))
        }
    }
}

fn show(in_force: &InForce, output: &Output) -> Result<()> {
    let mut table = Table::new(&["KEY", "VALUE", "FROM"]);
    let mut settings = Vec::new();
    for (key, value, origin) in in_force.rows() {
        settings.push(described(key, &value, origin));
        table.row([key.path.to_owned(), value, origin.to_string()]);
    }
    output.value(&json!(settings), |out| table.write(out))?;
    Ok(output::finish()?)
}

/// The value alone, for scripts.
fn get(in_force: &InForce, name: &str, output: &Output) -> Result<()> {
    let found = in_force.texts().find(|(key, ..)| key.path == name || key.aliases.contains(&name));
    let Some((key, value, origin)) = found else {
        let nearest = config::nearest_key(name).path;
        return Err(UsageError(format!("{name}: no such key; nearest known key: {nearest}")).into());
    };
    output.value(&described(key, &value, origin), |out| writeln!(out, "{value}"))?;
    Ok(output::finish()?)
}

fn described(key: &Key, value: &str, origin: &Origin) -> Value {
    json!({
        "key": key.path,
        "value": value,
        "from": origin.to_string(),
        "default": key.default,
        "allowed": key.rule.to_string(),
        "environment": config::variable(key.path),
        "description": key.doc,
    })
}

/// Reads all sources of settings.
///
/// # Errors
/// The first fault, in one line; how many more there are is said too.
pub(crate) fn in_force(settings: &Settings) -> Result<InForce> {
    let mut sources = Sources::default();
    if let Some(profile) = settings.profile {
        sources.profile(profile)?;
    }
    if let Some(path) = &settings.config {
        sources.file(path, &read(path)?)?;
    }
    sources.environment(std::env::vars_os().filter_map(|(name, value)| {
        // Ours are text; a value that isn't is refused by its key's rule.
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    }));
    let shortcuts = [
        ("storage.data.dir", settings.data_dir.clone()),
        ("server.port", settings.port.map(|port| port.to_string())),
    ];
    let shortcuts = shortcuts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    sources.command_line(settings.set.iter().cloned().chain(shortcuts));
    sources.resolve().map_err(|mut errors| {
        let more = errors.len() - 1;
        let first = errors.swap_remove(0);
        first_of(first, more)
    })
}

fn first_of(first: ConfigError, more: usize) -> anyhow::Error {
    let more = match more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    match first.is_of_command_line() {
        true => UsageError(format!("{first}{more}")).into(),
        false => anyhow::Error::msg(format!("{first}{more}")),
    }
}

fn read(path: &Path) -> Result<String> {
    let file = RealDisk.open(path, Access::Read, Caching::Cached)?;
    let bytes_max = usize::try_from(config::FILE_BYTES_MAX).expect("a mebibyte fits");
    let mut bytes = vec![0; bytes_max + 1];
    let len = file.read_at(&mut bytes, 0)?;
    if len > bytes_max {
        bail!("{}: a configuration file has at most {bytes_max} bytes", path.display());
    }
    bytes.truncate(len);
    String::from_utf8(bytes).with_context(|| format!("{}: not UTF-8 text", path.display()))
}
