// Streams that do nothing until somebody waits, events that
// order them, and graphs, which are recorded pieces of streams.
#pragma once

#include "emu/api/call.h"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace pn::emu {

struct Stream;

// One recording of an event.
struct Marker {
    Stream* stream = nullptr;
    bool reached = false;
    std::chrono::steady_clock::time_point time;
};

// One piece of work. `run` throws Failure.
struct Operation {
    std::string what;
    std::function<void()> run;
    std::shared_ptr<Marker> waits_for, reaches;
};

struct Capture {
    Stream* origin;
    int mode;
    std::vector<Operation> operations;
    std::vector<Stream*> joined;
    bool broken = false;
};

struct Stream {
    static constexpr const char* word = "stream";
    bool blocking;
    std::deque<Operation> pending;
    std::shared_ptr<Capture> capture;
};

struct Event {
    static constexpr const char* word = "event";
    bool timed;
    std::shared_ptr<Marker> marker;     // of the last recording
    std::shared_ptr<Capture> capture;  // the one it was recorded in, if any
};

struct Graph {
    static constexpr const char* word = "graph";
    std::vector<Operation> operations;
};

struct GraphExec {
    static constexpr const char* word = "executable graph";
    std::vector<Operation> operations;
};

// Adds work to a stream, null for the default one, or to the graph that the stream is captured into.
void enqueue(Stream* stream, Operation operation);

// Whether calls on this stream are recorded rather than run.
bool is_capturing(Stream* stream);

// Runs what a stream has to do; all streams, in an order that nothing promises. Throws what a kernel died of.
void run_stream(Stream& stream);
void run_all_streams();
void run_until(const std::shared_ptr<Marker>& marker);

// For calls that may not happen while a capture of this thread goes on: ends that in failure.
void refuse_during_capture(const char* what);

}  // namespace pn::emu
