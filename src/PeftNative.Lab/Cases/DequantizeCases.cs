using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>
/// Codes of 4 and 8 bits, with scales of their own or quantised ones; blocks that end inside rows or with them, that
/// several rows share, or that columns choose; odd widths.
/// </summary>
internal sealed record DequantizeCase(int N, int K, int Block) : OperationCase
{
    public CodeKind Kind { get; init; }

    public bool CodedMaxima { get; init; }

    /// <summary>Rows that share a block; 0 where blocks run on.</summary>
    public int BlockRows { get; init; }

    public bool Zeros { get; init; }

    public bool Groups { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 260; i++)
        {
            var isWide = random.Chance(0.3);
            var test = new DequantizeCase(Sizes.Rows(random),
                isWide ? random.Pick(333, 512, 701) : Sizes.Width(random), random.Pick(1, 2, 16, 33, 64, 70, 128))
            {
                Family = Sizes.Family(random), Strided = random.Chance(0.4),
                Kind = random.Pick(CodeKind.Four, CodeKind.Four, CodeKind.Eight, CodeKind.Signed),
                CodedMaxima = random.Chance(0.5), BlockRows = random.Chance(0.5) ? random.Pick(1, 1, 2, 3, 128) : 0,
            };
            yield return test with
            {
                Zeros = test.Kind != CodeKind.Signed && random.Chance(0.3),
                Groups = test.BlockRows > 0 && random.Chance(0.4),
            };
        }
    }

    internal override void Execute(CaseRun run)
    {
        var (elements, perRow) = (N * K, (K + Block - 1) / Block);
        var blocks = BlockRows == 0 ? (elements + Block - 1) / Block : (N + BlockRows - 1) / BlockRows * perRow;
        int Words(int bytes) => (bytes + 3) / 4;
        var book = Kind switch { CodeKind.Four => 16, CodeKind.Eight => 256, _ => 0 };
        run.Backend.Forward(new DequantizeOp
        {
            Codes = run.Indices("codes", Words(book == 16 ? (elements + 1) / 2 : elements), int.MaxValue),
            Book = book == 0 ? default : run.Parameter("book", 1, book, Spread.Narrow), BlockSize = Block,
            BlockRows = BlockRows, Groups = Groups ? run.Indices("groups", K, perRow) : default,
            Zeros = Zeros ? run.Integers("zeros", 1, Words(blocks), _ => 0x0A0503 + blocks % 5) : default,
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

/// <summary>What codes of a case are.</summary>
internal enum CodeKind
{
    /// <summary>4 bits with a book.</summary>
    Four,

    /// <summary>8 bits with a book.</summary>
    Eight,

    /// <summary>Signed bytes.</summary>
    Signed,
}

/// <summary>Blocks as files have them: any bytes, but for the halves of their scales, which are finite.</summary>
internal sealed record BlockFormatCase(BlockFormat Format, int N, int Blocks) : OperationCase
{
    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        foreach (var format in Enum.GetValues<BlockFormat>().Where(f => f != BlockFormat.None))
            for (var i = 0; i < 4; i++)
                yield return new BlockFormatCase(format, random.Pick(1, 2, 5, 17), random.Pick(1, 2, 3))
                {
                    Family = Sizes.Family(random), Strided = random.Chance(0.5),
                };
    }

    internal override void Execute(CaseRun run) => run.Backend.Forward(new DequantizeOp
    {
        Format = Format, Codes = run.Codes("codes", N, Blocks * Format.Bytes(), Scale),
        Y = run.Output("y", N, Blocks * Format.Elements()),
    });

    // The upper byte of a float of 16 bits: either sign, one exponent. Those of MXFP4 stay in the range of 16 bits.
    private int Scale(int column, int drawn) => Format switch
    {
        BlockFormat.Mxfp4 => column % Format.Bytes() == 0 ? 120 + (drawn & 7) : drawn,
        _ => Halves.Contains(column % Format.Bytes()) ? drawn & 0x83 | 0x24 : drawn,
    };

    private int[] Halves => Format switch
    {
        BlockFormat.Q4_1 or BlockFormat.Q5_1 or BlockFormat.Q4_K or BlockFormat.Q5_K => [1, 3],
        BlockFormat.Q2_K => [81, 83],
        BlockFormat.Q3_K => [109],
        BlockFormat.Q6_K => [209],
        _ => [1],
    };
}
