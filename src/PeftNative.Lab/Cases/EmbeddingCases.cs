using PeftNative.Ops;

namespace PeftNative.Lab.Cases;

/// <summary>Token, position and type embeddings with virtual tokens and LoRA.</summary>
internal sealed record EmbeddingCase(int M, int V, int D) : OperationCase
{
    private const int MaxPositions = 9;
    private const int TokenTypes = 2;

    public int Virtual { get; init; }

    public int R { get; init; }

    public bool Positions { get; init; }

    public bool Types { get; init; }

    public bool Scaled { get; init; }

    /// <summary>Whether the tables are trained.</summary>
    public bool DTables { get; init; }

    public static IEnumerable<OperationCase> Sample(CaseRandom random)
    {
        for (var i = 0; i < 300; i++)
            yield return new EmbeddingCase(Sizes.Rows(random), random.Pick(1, 2, 7, 31, 100), Sizes.Width(random))
            {
                Family = Sizes.Family(random),
                Strided = random.Chance(0.4),
                Virtual = random.Pick(0, 0, 1, 5),
                R = random.Pick(0, 0, 1, 3, 8),
                Positions = random.Chance(0.4),
                Types = random.Chance(0.3),
                Scaled = random.Chance(0.3),
                DTables = random.Chance(0.6),
            };
    }

    internal override void Execute(CaseRun run)
    {
        var op = new EmbeddingOp
        {
            Tokens = run.Integers("tokens", 1, M, i => run.Integer("tokens", i, V + Virtual) - Virtual),
            Positions = Positions ? run.Indices("positions", M, MaxPositions) : default,
            Types = Types ? run.Indices("types", M, TokenTypes) : default,
            Table = run.Weight("table", V, D),
            PositionTable = Positions ? run.Weight("position table", MaxPositions, D) : default,
            TypeTable = Types ? run.Weight("type table", TokenTypes, D) : default,
            Virtual = Virtual > 0 ? run.Parameter("virtual", Virtual, D) : default,
            TokenScale = !Scaled ? 1 : Family == Family.Integers ? 2 : Math.Sqrt(D),
            A = R > 0 ? run.Parameter("a", R, V) : default,
            B = R > 0 ? run.Parameter("b", D, R) : default,
            LowRankScale = 0.5,
            Y = run.Output("y", M, D, Match.ExactIntegers),
        };
        run.Backend.Forward(op);
        run.Backend.Backward(op, new EmbeddingGradients
        {
            DY = run.Input("dy", M, D),
            DTable = Sum(run, "dtable", V, D, DTables),
            DPositionTable = Sum(run, "dposition table", MaxPositions, D, Positions && DTables),
            DTypeTable = Sum(run, "dtype table", TokenTypes, D, Types && DTables),
            DVirtual = Sum(run, "dvirtual", Virtual, D, Virtual > 0),
            DA = Sum(run, "da", R, V, R > 0),
            DB = Sum(run, "db", D, R, R > 0),
        });
    }

    private static Tensors.Tensor Sum(CaseRun run, string name, int rows, int columns, bool present) =>
        present ? run.Sum(name, rows, columns, Match.ExactIntegers) : default;
}
