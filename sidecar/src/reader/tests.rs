mod anew;
mod cases;
mod closed;
mod model;
mod world;
