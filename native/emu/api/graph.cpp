// Captured streams. Work of a capture runs in the order of its
// calls, which every order that a device may choose allows.
#include "emu/api/state.h"

using namespace pn::emu;

namespace {

void run_operations(const std::vector<Operation>& operations) {
    for (const Operation& operation : operations)
        if (operation.run) operation.run();
}

}  // namespace

PN_API int cuStreamBeginCapture_v2(Stream* stream, int mode) {
    return driver_call("cuStreamBeginCapture_v2", [&] {
        require(stream != nullptr && mode >= 0 && mode <= 2, "the default stream cannot be captured, or unknown mode");
        Stream& known = state().streams.get(stream);
        require(!known.capture, "the stream is being captured already");
        known.capture = std::make_shared<Capture>(Capture{&known, mode, {}, {}, false});
    });
}

PN_API int cuStreamEndCapture(Stream* stream, Graph** graph) {
    return driver_call("cuStreamEndCapture", [&] {
        require(graph != nullptr, "no place for the graph");
        *graph = nullptr;
        Stream& known = state().streams.get(stream);
        require(known.capture != nullptr, "the stream is not being captured");
        const std::shared_ptr<Capture> capture = known.capture;
        if (capture->origin != &known) throw Failure{capture_unmatched, "the capture began on another stream"};
        known.capture.reset();
        for (Stream* joined : capture->joined) joined->capture.reset();
        state().events.for_each([&](Event& event) { if (event.capture == capture) event.capture.reset(); });
        if (capture->broken) throw Failure{capture_invalidated, "a call that no capture allows came before its end"};
        *graph = state().graphs.add(Graph{std::move(capture->operations)});
    });
}

PN_API int cuStreamIsCapturing(Stream* stream, int* status) {
    return driver_call("cuStreamIsCapturing", [&] {
        require(status != nullptr, "no place for the status");
        const Stream& known = state().streams.get(stream);
        *status = !known.capture ? 0 : known.capture->broken ? 2 : 1;
    });
}

PN_API int cuGraphInstantiateWithFlags(GraphExec** executable, Graph* graph, unsigned long long flags) {
    return driver_call("cuGraphInstantiateWithFlags", [&] {
        require(executable != nullptr && flags <= 15, "no place for the executable graph, or unknown flags");
        *executable = state().executables.add(GraphExec{state().graphs.get(graph).operations});
    });
}

PN_API int cuGraphExecUpdate_v2(GraphExec* executable, Graph* graph, void* result) {
    return driver_call("cuGraphExecUpdate_v2", [&] {
        require(result != nullptr, "no place for the result");
        GraphExec& old = state().executables.get(executable);
        const Graph& fresh = state().graphs.get(graph);
        bool same = old.operations.size() == fresh.operations.size();
        for (std::size_t i = 0; same && i < fresh.operations.size(); i++)
            same = old.operations[i].what == fresh.operations[i].what;
        if (!same) throw Failure{graph_update_failure, "the graphs differ in more than arguments"};
        old.operations = fresh.operations;
    });
}

PN_API int cuGraphLaunch(GraphExec* executable, Stream* stream) {
    return driver_call("cuGraphLaunch", [&] {
        const GraphExec& known = state().executables.get(executable);
        Stream* const on = stream == nullptr ? nullptr : &state().streams.get(stream);
        enqueue(on, {"graph", [operations = known.operations] { run_operations(operations); }, {}, {}});
    });
}

PN_API int cuGraphDestroy(Graph* graph) {
    return driver_call("cuGraphDestroy", [&] { state().graphs.remove(graph); });
}

PN_API int cuGraphExecDestroy(GraphExec* executable) {
    return driver_call("cuGraphExecDestroy", [&] { state().executables.remove(executable); });
}
