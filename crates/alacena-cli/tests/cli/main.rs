//! The binary as its users meet it: started, asked, stopped, killed.

mod process;
mod quickstart;
mod commands;
mod mcp;
mod owner;
mod stop;
mod crash;
