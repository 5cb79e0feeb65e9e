mod cases;
mod closed;
mod model;
mod world;
