mod anew;
mod cases;
mod closed;
mod ends;
mod model;
mod world;
