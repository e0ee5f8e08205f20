// What every entry point does before and around its work: one at a time, counted, failed on request, errors made codes.
#pragma once

#include "emu/api/cuda.h"

#include <mutex>
#include <string>
#include <utility>

namespace pn::emu {

// Thrown by the work of a call.
struct Failure {
    Code code;
    std::string text;
};

enum class Needs { nothing, driver, context };

std::recursive_mutex& driver_mutex();

extern thread_local Context* current_context;  // of this thread of the system

// Counts the call; the code it must fail with, or success.
Code enter_call(const char* name, Needs needs);
Code failed_call(const char* name, const Failure& failure);

template <class Body>
int driver_call(const char* name, Needs needs, Body&& body) {
    const std::lock_guard lock(driver_mutex());
    if (const Code code = enter_call(name, needs); code != success) return code;
    try {
        body();
        return success;
    } catch (const Failure& failure) {
        return failed_call(name, failure);
    }
}

template <class Body>
int driver_call(const char* name, Body&& body) {
    return driver_call(name, Needs::context, std::forward<Body>(body));
}

inline void require(bool holds, const char* text) {
    if (!holds) throw Failure{invalid_value, text};
}

}  // namespace pn::emu
