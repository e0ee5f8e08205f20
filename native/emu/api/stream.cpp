#include "emu/api/stream.h"

#include "emu/api/state.h"

#include <algorithm>

namespace pn::emu {

namespace {

void run_next(Stream& stream) {
    const Operation operation = std::move(stream.pending.front());
    stream.pending.pop_front();
    if (operation.waits_for) run_until(operation.waits_for);
    if (state().lost != success) throw Failure{state().lost, {}};
    if (operation.run) operation.run();
    if (operation.reaches) {
        operation.reaches->reached = true;
        operation.reaches->time = std::chrono::steady_clock::now();
    }
}

}  // namespace

bool is_capturing(Stream* stream) { return stream != nullptr && stream->capture != nullptr; }

void enqueue(Stream* stream, Operation operation) {
    if (stream == nullptr) {
        // The default stream comes after all that blocking streams have so far, and they wait for it.
        refuse_during_capture("work on the default stream");
        std::vector<Stream*> blocking;
        state().streams.for_each([&](Stream& other) { if (other.blocking) blocking.push_back(&other); });
        for (Stream* other : blocking) run_stream(*other);
        Stream once{true, {}, nullptr};
        once.pending.push_back(std::move(operation));
        run_stream(once);
        return;
    }
    if (stream->capture)
        stream->capture->operations.push_back(std::move(operation));
    else
        stream->pending.push_back(std::move(operation));
}

void run_stream(Stream& stream) {
    while (!stream.pending.empty()) run_next(stream);
}

void run_all_streams() {
    std::vector<Stream*> streams;
    state().streams.for_each([&](Stream& stream) { streams.push_back(&stream); });
    if (state().schedule.order != Order::forward) std::reverse(streams.begin(), streams.end());
    for (Stream* stream : streams) run_stream(*stream);
}

void run_until(const std::shared_ptr<Marker>& marker) {
    while (!marker->reached) {
        if (marker->stream == nullptr || marker->stream->pending.empty())
            throw Failure{launch_failed, "work waits for an event whose stream was destroyed"};
        run_next(*marker->stream);
    }
}

void refuse_during_capture(const char* what) {
    constexpr int relaxed = 2;
    bool refused = false;
    state().streams.for_each([&](Stream& stream) {
        if (!stream.capture || stream.capture->mode == relaxed) return;
        stream.capture->broken = true;
        refused = true;
    });
    if (refused) throw Failure{capture_unsupported, std::string(what) + " while a stream is captured"};
}

}  // namespace pn::emu

using namespace pn::emu;

PN_API int cuStreamCreate(Stream** stream, unsigned flags) {
    return driver_call("cuStreamCreate", [&] {
        require(stream != nullptr && flags <= 1, "no place for the stream, or unknown flags");
        *stream = state().streams.add(Stream{flags == 0, {}, nullptr});
    });
}

PN_API int cuStreamDestroy_v2(Stream* stream) {
    return driver_call("cuStreamDestroy_v2", [&] {
        run_stream(state().streams.get(stream));  // pending work is still done
        state().streams.remove(stream);
    });
}

PN_API int cuStreamSynchronize(Stream* stream) {
    return driver_call("cuStreamSynchronize", [&] {
        if (stream == nullptr) return run_all_streams();
        Stream& known = state().streams.get(stream);
        if (known.capture) refuse_during_capture("waiting for a stream");
        run_stream(known);
    });
}

PN_API int cuStreamQuery(Stream* stream) {
    return driver_call("cuStreamQuery", [&] {
        Stream& known = state().streams.get(stream);
        if (known.pending.empty()) return;
        run_next(known);
        throw Failure{not_ready, {}};
    });
}

PN_API int cuStreamWaitEvent(Stream* stream, Event* event, unsigned flags) {
    return driver_call("cuStreamWaitEvent", [&] {
        require(flags == 0, "unknown flags");
        const Event& known = state().events.get(event);
        if (known.capture) {  // the stream takes part in the capture from here on
            Stream& joined = state().streams.get(stream);
            if (!joined.capture) {
                joined.capture = known.capture;
                known.capture->joined.push_back(&joined);
            }
            return;
        }
        if (known.marker)
            enqueue(stream == nullptr ? nullptr : &state().streams.get(stream), {"wait", {}, known.marker, {}});
    });
}

PN_API int cuCtxSynchronize() {
    return driver_call("cuCtxSynchronize", [&] {
        refuse_during_capture("waiting for the device");
        run_all_streams();
    });
}

PN_API int cuEventCreate(Event** event, unsigned flags) {
    return driver_call("cuEventCreate", [&] {
        require(event != nullptr && flags <= 3, "no place for the event, or unknown flags");
        *event = state().events.add(Event{(flags & 2) == 0, {}, {}});
    });
}

PN_API int cuEventDestroy_v2(Event* event) {
    return driver_call("cuEventDestroy_v2", [&] { state().events.remove(event); });
}

PN_API int cuEventRecord(Event* event, Stream* stream) {
    return driver_call("cuEventRecord", [&] {
        Event& known = state().events.get(event);
        Stream* const on = stream == nullptr ? nullptr : &state().streams.get(stream);
        known.capture = on != nullptr ? on->capture : nullptr;
        if (known.capture) return;  // order within a capture is the order of its calls
        known.marker = std::make_shared<Marker>(Marker{on, false, {}});
        enqueue(on, {"record", {}, {}, known.marker});
    });
}

PN_API int cuEventSynchronize(Event* event) {
    return driver_call("cuEventSynchronize", [&] {
        const Event& known = state().events.get(event);
        if (known.capture) refuse_during_capture("waiting for an event");
        if (known.marker) run_until(known.marker);
    });
}

PN_API int cuEventQuery(Event* event) {
    return driver_call("cuEventQuery", [&] {
        const Event& known = state().events.get(event);
        if (!known.marker || known.marker->reached) return;
        if (known.marker->stream != nullptr && !known.marker->stream->pending.empty()) run_next(*known.marker->stream);
        throw Failure{not_ready, {}};
    });
}

PN_API int cuEventElapsedTime(float* milliseconds, Event* start, Event* end) {
    return driver_call("cuEventElapsedTime", [&] {
        require(milliseconds != nullptr, "no place for the time");
        const Event &from = state().events.get(start), &to = state().events.get(end);
        if (!from.timed || !to.timed || !from.marker || !to.marker)
            throw Failure{invalid_handle, "an event without timing, or never recorded"};
        if (!from.marker->reached || !to.marker->reached) throw Failure{not_ready, {}};
        *milliseconds = std::chrono::duration<float, std::milli>(to.marker->time - from.marker->time).count();
    });
}
