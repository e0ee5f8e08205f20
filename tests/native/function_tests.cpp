// Vectorised functions against the double-precision ones of the standard library, in units in the last place.
#include <cmath>
#include <limits>

#include "instruction_sets.h"

namespace {

double exact_sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Function {
    const char* name;
    double (*exact)(double);
    float from, to;
    double units;
};

const Function functions[] = {
    {"exp", [](double x) { return std::exp(x); }, -87.0f, 88.7f, 2},
    {"tanh", [](double x) { return std::tanh(x); }, -12.0f, 12.0f, 4},
    {"erf", [](double x) { return std::erf(x); }, -5.0f, 5.0f, 4},
    {"sigmoid", exact_sigmoid, -80.0f, 40.0f, 4},
};

double units_apart(float got, double want) {
    const auto rounded = static_cast<float>(want);
    const double unit =
        static_cast<double>(std::nextafter(std::fabs(rounded), std::numeric_limits<float>::infinity())) -
        std::fabs(static_cast<double>(rounded));
    return std::fabs(static_cast<double>(got) - want) / unit;
}

class Functions : public InstructionSets {};

TEST_P(Functions, stay_within_a_few_units_in_the_last_place) {
    constexpr int count = 200001;
    std::vector<float> x(count), y(count);
    for (int f = 0; f < 4; f++) {
        const Function& function = functions[f];
        for (int i = 0; i < count; i++)
            x[static_cast<std::size_t>(i)] =
                function.from + (function.to - function.from) * static_cast<float>(i) / (count - 1);
        kernels->map(f, x.data(), y.data(), count);
        double worst = 0;
        float where = 0;
        for (std::size_t i = 0; i < count; i++) {
            const double units = units_apart(y[i], function.exact(static_cast<double>(x[i])));
            if (!(units <= worst)) {
                worst = units;
                where = x[i];
            }
        }
        RecordProperty(function.name, std::to_string(worst));
        EXPECT_LE(worst, function.units) << function.name << " at " << where;
    }
}

TEST_P(Functions, keep_relative_precision_near_zero) {
    for (const int f : {1, 2}) {
        for (float x = 1e-30f; x < 0.5f; x *= 1.7f) {
            float y = 0;
            kernels->map(f, &x, &y, 1);
            EXPECT_LE(units_apart(y, functions[f].exact(static_cast<double>(x))), 4)
                << functions[f].name << " at " << x;
        }
    }
}

TEST_P(Functions, carry_nan_and_saturate_at_infinity) {
    const float infinity = std::numeric_limits<float>::infinity();
    const float x[] = {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 0.0f, 1000.0f, -1000.0f};
    const float limits[4][6] = {
        {infinity, 0, 0, 1, infinity, 0}, {1, -1, 0, 0, 1, -1}, {1, -1, 0, 0, 1, -1}, {1, 0, 0, 0.5f, 1, 0}};
    for (int f = 0; f < 4; f++) {
        float y[6];
        kernels->map(f, x, y, 6);
        for (int i = 0; i < 6; i++) {
            const bool holds = i == 2 ? std::isnan(y[i]) : y[i] == limits[f][i];
            EXPECT_TRUE(holds) << functions[f].name << " of " << x[i] << " is " << y[i];
        }
    }
}

FOR_ALL_INSTRUCTION_SETS(Functions);

}  // namespace
