mod cases;
mod model;
mod world;
