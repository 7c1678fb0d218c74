//! `takhin group list`.

use anyhow::{Result, bail};
use client::ListedGroup;
use serde_json::json;

use super::args::ListArgs;
use crate::output::{Output, Table};

/// Prints the groups that were asked for, by id.
///
/// # Errors
/// What a broker says, or that the result can't be printed.
pub(super) fn run(arguments: &ListArgs) -> Result<()> {
    let all = super::super::client(&arguments.cluster).groups()?;
    let is_untold = |field: fn(&ListedGroup) -> &str| all.iter().any(|group| field(group).is_empty());
    if !arguments.state.is_empty() && is_untold(|group| &group.state) {
        bail!("the broker does not tell the states of groups: Kafka does since 2.6");
    }
    if !arguments.r#type.is_empty() && is_untold(|group| &group.group_type) {
        bail!("the broker does not tell the types of groups: Kafka does since 3.8");
    }
    let mut table = Table::new(&["GROUP", "TYPE", "PROTOCOL", "STATE", "COORDINATOR"]);
    let mut groups = Vec::new();
    for group in &all {
        if !is_among(&group.state, &arguments.state) || !is_among(&group.group_type, &arguments.r#type) {
            continue;
        }
        groups.push(json!({
            "groupId": group.id,
            "type": group.group_type,
            "protocolType": group.protocol_type,
            "state": group.state,
            "coordinator": group.coordinator,
        }));
        table.row([
            group.id.clone(),
            or_dash(&group.group_type),
            or_dash(&group.protocol_type),
            or_dash(&group.state),
            group.coordinator.to_string(),
        ]);
    }
    Output::new(&arguments.output).value(&json!(groups), |out| table.write(out))?;
    Ok(())
}

/// Whether a value is one of those that were asked for, in whatever case; none asked for means all.
fn is_among(value: &str, asked: &[String]) -> bool {
    asked.is_empty() || asked.iter().any(|asked| asked.eq_ignore_ascii_case(value))
}

/// What stands in a column for nothing.
pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-" } else { text }.to_owned()
}
