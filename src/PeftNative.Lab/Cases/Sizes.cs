namespace PeftNative.Lab.Cases;

/// <summary>Sizes on both sides of the edges of tiles and vectors, and primes.</summary>
internal static class Sizes
{
    public static int Width(CaseRandom random) =>
        random.Pick(1, 2, 3, 7, 8, 13, 15, 16, 17, 31, 32, 33, 47, 48, 49, 61, 64, 101);

    public static int Rows(CaseRandom random) =>
        random.Chance(0.02) ? 0 : random.Pick(1, 2, 3, 5, 7, 11, 13, 15, 16, 17, 31, 33, 47, 48, 49);

    public static Family Family(CaseRandom random) =>
        random.Pick(Cases.Family.Uniform, Cases.Family.Mixed, Cases.Family.Integers, Cases.Family.Adversarial);
}
