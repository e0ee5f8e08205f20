// cp.async of one thread: requests wait in groups and are carried out as late as the kernel allows.
#pragma once

#include <cstddef>
#include <vector>

namespace pn::emu {

class Copies {
public:
    void clear();
    void request(void* to, const void* from, int bytes);
    void commit() { groups_.push_back(requests_.size()); }
    void wait(int pending);  // carries out all groups but the latest `pending`

private:
    struct Request {
        void* to;
        const void* from;
        int bytes;
    };

    std::vector<Request> requests_;
    std::vector<std::size_t> groups_;  // where each one ends in requests_
    std::size_t done_ = 0;             // of the requests
};

}  // namespace pn::emu
