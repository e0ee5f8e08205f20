#include "emu/api/call.h"

#include "emu/api/state.h"
#include "emu/run/report.h"

namespace pn::emu {

thread_local Context* current_context = nullptr;

std::recursive_mutex& driver_mutex() {
    static std::recursive_mutex mutex;
    return mutex;
}

Code enter_call(const char* name, Needs needs) {
    State& s = state();
    s.calls++;
    if (s.injection.after > 0 && (s.injection.name.empty() || s.injection.name == name) && --s.injection.after == 0) {
        report(std::string(name) + ": made to fail");
        if (s.injection.code == illegal_address || s.injection.code == launch_failed) s.lost = s.injection.code;
        return s.injection.code;
    }
    if (needs == Needs::nothing) return success;
    if (!s.initialized) return failed_call(name, {not_initialized, "cuInit was not called"});
    if (needs == Needs::driver) return success;
    if (current_context == nullptr || s.context.references == 0)
        return failed_call(name, {invalid_context, "this thread has no current context, or a released one"});
    return s.lost;
}

Code failed_call(const char* name, const Failure& failure) {
    // What a kernel died of has been reported where it happened.
    if (!failure.text.empty()) report(std::string(name) + ": " + failure.text);
    if (failure.code == illegal_address || failure.code == launch_failed) state().lost = failure.code;
    return failure.code;
}

}  // namespace pn::emu
