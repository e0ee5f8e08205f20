#include "core/error.h"

#include <cstdarg>
#include <cstdio>
#include <exception>
#include <new>

namespace pn {

namespace {
constexpr std::size_t text_size = 512;
thread_local char text[text_size] = "no error";
}  // namespace

void fail(pn_status status, const char* format, ...) {
    char buffer[text_size];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    throw Error{status, buffer};
}

void set_last_error(const char* what) noexcept { std::snprintf(text, sizeof text, "%s", what); }

const char* last_error() noexcept { return text; }

pn_status status_of_current_exception() noexcept {
    try {
        throw;
    } catch (const Error& error) {
        set_last_error(error.text.c_str());
        return error.status;
    } catch (const std::bad_alloc&) {
        set_last_error("not enough memory");
        return PN_OUT_OF_MEMORY;
    } catch (const std::exception& error) {
        set_last_error(error.what());
        return PN_INTERNAL;
    } catch (...) {
        set_last_error("an unknown error");
        return PN_INTERNAL;
    }
}

}  // namespace pn
