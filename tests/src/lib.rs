//! What needs two parts of agent-comms or a real neighbour: the whole way of a message, faults, and the pages in a real
//! browser. It must never imitate a neighbour that can run here.

pub mod replica;
