using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>
/// 4-bit and 8-bit codes, with maxima of their own or quantised ones; blocks that end inside rows, and odd widths.
/// </summary>
internal sealed record DequantizeCase(int N, int K, int Block) : OperationCase
{
    public bool EightBits { get; init; }

    public bool CodedMaxima { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 150; i++)
        {
            var isWide = random.Chance(0.3);
            yield return new DequantizeCase(Sizes.Rows(random),
                isWide ? random.Pick(333, 512, 701) : Sizes.Width(random), random.Pick(2, 16, 64, 70, 128))
            {
                Family = Sizes.Family(random), Strided = random.Chance(0.4), EightBits = random.Chance(0.25),
                CodedMaxima = random.Chance(0.5),
            };
        }
    }

    internal override void Execute(CaseRun run)
    {
        var (elements, blocks) = (N * K, (N * K + Block - 1) / Block);
        int Words(int bytes) => (bytes + 3) / 4;
        run.Backend.Forward(new DequantizeOp
        {
            Codes = run.Indices("codes", Words(EightBits ? elements : (elements + 1) / 2), int.MaxValue),
            Book = EightBits ? default : run.Parameter("book", 1, 16, Spread.Narrow), BlockSize = Block,
            Maxima = CodedMaxima ? default : run.Parameter("maxima", 1, blocks, Spread.Narrow),
            MaximaCodes = CodedMaxima ? run.Indices("maxima codes", Words(blocks), int.MaxValue) : default,
            MaximaBook = CodedMaxima ? run.Parameter("maxima book", 1, 256, Spread.Narrow) : default,
            MaximaScales = CodedMaxima
                ? run.Parameter("maxima scales", 1, (blocks + 255) / 256, Spread.Narrow) : default,
            MaximaOffset = CodedMaxima ? 0.5 : 0,
            Y = run.Output("y", N, K),
        });
    }
}
