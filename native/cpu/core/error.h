// Errors inside the library are exceptions; guard() at the C boundary turns them into a status and a text.
#pragma once

#include <string>

#include "peftnative.h"

namespace pn {

struct Error {
    pn_status status;
    std::string text;
};

[[noreturn]] void fail(pn_status status, const char* format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

void set_last_error(const char* text) noexcept;
const char* last_error() noexcept;

// Must be called inside a catch block: names the exception being handled.
pn_status status_of_current_exception() noexcept;

template <class Body>
pn_status guard(Body&& body) noexcept {
    try {
        body();
        return PN_OK;
    } catch (...) {
        return status_of_current_exception();
    }
}

}  // namespace pn
