//! `takhin completions`: what a shell needs to complete the command line.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    cli::{Cli, CompletionShell},
    output,
};

/// Prints the script.
///
/// # Errors
/// It can't be printed.
pub(crate) fn run(shell: CompletionShell) -> Result<()> {
    let shell = match shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    // It would panic over a closed standard output.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "takhin", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(output::finish()?)
}
