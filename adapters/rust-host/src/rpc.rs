//! The messages and the service of the adapter contract, generated from proto/verifier/rpc/v1/executor.proto.
#![allow(clippy::all, clippy::pedantic)]

tonic::include_proto!("verifier.rpc.v1");
