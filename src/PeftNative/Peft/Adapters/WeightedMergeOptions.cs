namespace PeftNative.Peft.Adapters;

/// <summary>How values of several adapters become one.</summary>
public enum CombinationRule
{
    /// <summary>Weighted sum.</summary>
    Linear,

    /// <summary>Low-rank pairs side by side: the exact weighted sum of the changes.</summary>
    Cat,

    /// <summary>Prune by magnitude, elect signs, average.</summary>
    Ties,

    /// <summary>Prune at random and rescale, weighted sum.</summary>
    DareLinear,

    /// <summary>Prune at random and rescale, elect signs, average.</summary>
    DareTies,

    /// <summary>Prune by magnitude, weighted sum.</summary>
    MagnitudePrune,
}

/// <summary>majority_sign_method.</summary>
public enum SignMethod
{
    /// <summary>The sign of the sum of the values.</summary>
    Total,

    /// <summary>The sign that most values have.</summary>
    Frequency,
}

/// <summary>The settings of combining adapters, under PEFT's names.</summary>
public sealed record WeightedMergeOptions
{
    /// <summary>combination_type: the rule.</summary>
    public CombinationRule Rule { get; init; }

    /// <summary>
    /// combination_type svd, ties_svd, ...: the rule works on the whole changes B A, and the result is cut down to a
    /// rank.
    /// </summary>
    public bool UsesSvd { get; init; }

    /// <summary>svd_rank; null for the largest rank of the adapters.</summary>
    public int? SvdRank { get; init; }

    /// <summary>density: the share of values that pruning keeps.</summary>
    public double Density { get; init; } = 1;

    /// <summary>majority_sign_method.</summary>
    public SignMethod SignMethod { get; init; }

    /// <summary>Seed of random pruning.</summary>
    public ulong Seed { get; init; }

    /// <summary>The words of combination_type, as PEFT spells them.</summary>
    internal static IReadOnlyList<string> Types { get; } = [.. Table.Select(t => t.Type)];

    private static (string Type, CombinationRule Rule, bool UsesSvd)[] Table =>
    [
        ("linear", CombinationRule.Linear, false),
        ("cat", CombinationRule.Cat, false),
        ("svd", CombinationRule.Linear, true),
        ("ties", CombinationRule.Ties, false),
        ("ties_svd", CombinationRule.Ties, true),
        ("dare_linear", CombinationRule.DareLinear, false),
        ("dare_linear_svd", CombinationRule.DareLinear, true),
        ("dare_ties", CombinationRule.DareTies, false),
        ("dare_ties_svd", CombinationRule.DareTies, true),
        ("magnitude_prune", CombinationRule.MagnitudePrune, false),
        ("magnitude_prune_svd", CombinationRule.MagnitudePrune, true),
    ];

    /// <summary>The rule of a combination_type as PEFT spells it.</summary>
    /// <exception cref="UsageException">There is no such type.</exception>
    public static (CombinationRule Rule, bool UsesSvd) Parse(string type) =>
        Array.Find(Table, t => t.Type == type) is { Type: not null } found ? (found.Rule, found.UsesSvd)
            : throw new UsageException($"There is no combination_type '{type}'.",
                remedy: $"Use one of {string.Join(", ", Types)}.");
}
