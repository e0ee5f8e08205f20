// The warp's matrix instructions, by the fragment layouts that PTX documents.
#include "emu/kernel/ptx.h"

namespace pn::emu {

void mma_m16n8k16(const Fragments* const* lanes) {
    float a[16][16], b[16][8], c[16][8];
    for (int lane = 0; lane < 32; lane++) {
        const int g = lane / 4, t = lane % 4;
        const Fragments& own = *lanes[lane];
        for (int half = 0; half < 2; half++) {
            for (int i = 0; i < 4; i++)
                a[g + i % 2 * 8][2 * t + half + i / 2 * 8] =
                    own.widen(static_cast<std::uint16_t>(own.a[i] >> 16 * half));
            for (int i = 0; i < 2; i++)
                b[2 * t + half + 8 * i][g] = own.widen(static_cast<std::uint16_t>(own.b[i] >> 16 * half));
            for (int i = 0; i < 2; i++) c[g + 8 * i][2 * t + half] = own.c[2 * i + half];
        }
    }
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 8; n++) c[m][n] += a[m][k] * b[k][n];
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) lanes[lane]->c[i] = c[lane / 4 + i / 2 * 8][2 * (lane % 4) + i % 2];
}

void ldmatrix(const void* const* rows, unsigned* const* registers, int matrices, bool transposed) {
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < matrices; i++) {
            std::uint16_t pair[2];
            for (int j = 0; j < 2; j++) {
                const int row = transposed ? 2 * (lane % 4) + j : lane / 4,
                          column = transposed ? lane / 4 : 2 * (lane % 4) + j;
                pair[j] = static_cast<const std::uint16_t*>(rows[8 * i + row])[column];
            }
            registers[lane][i] = pair[0] | static_cast<unsigned>(pair[1]) << 16;
        }
}

}  // namespace pn::emu
