using PeftNative.Models;
using PeftNative.Models.Weights;
using PeftNative.Peft.Adapters;
using PeftNative.Peft.Matching;
using PeftNative.Tensors;

namespace PeftNative.Peft.Lora.Combining;

/// <summary>
/// Makes one LoRA adapter of several, as PEFT's add_weighted_adapter does. With s_i the adapters' own scales, the new
/// one has scale 1 and
/// <code>
/// linear, ties, dare, ...: A = rule(√|w_i s_i| · sign, A_i),  B = rule(√|w_i s_i|, B_i)
/// cat:                     A = [w_i s_i A_i],  B = [B_i]
/// svd, ties_svd, ...:      B A = the best approximation of rule(w_i, s_i B_i A_i)
/// </code>
/// On the host, in double precision.
/// </summary>
internal static class LoraCombiner
{
    /// <summary>
    /// Combines adapters of one model; where one lacks a module that another has, it does not count there.
    /// </summary>
    /// <exception cref="UsageException">The adapters cannot be combined this way.</exception>
    public static LoraAdapter Combine(
        IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<double> weights, WeightedMergeOptions options,
        string name = "combined")
    {
        Check(adapters, weights, options);
        // Of a single adapter every rule is its weighted copy.
        if (adapters.Count == 1) options = options with { Rule = CombinationRule.Linear, UsesSvd = false, Density = 1 };
        var pairs = adapters.Select(a => a.Pairs).ToList();
        var modules = pairs.SelectMany(p => p.Keys).Distinct().ToList();
        var ranks = modules.Select(m => NewRank([.. pairs.Where(p => p.ContainsKey(m)).Select(p => p[m].A.Rows)], m,
            options)).ToList();
        var model = adapters[0].Model;
        var config = adapters[0].LoraConfig with
        {
            R = ranks.Max(), Alpha = ranks.Max(), UseRsLora = false, RankPattern = [], AlphaPattern = [],
            Exclude = null, Layers = null, LayersPattern = null,
            Targets = TargetModules.Of(modules),
            ModulesToSave = [.. adapters.SelectMany(a => a.LoraConfig.ModulesToSave ?? []).Distinct()], IsStored = true,
            Initialization = LoraInitialization.Default,
        };
        var combined = (LoraAdapter)config.Create(model, seed: 0, trainable: false, name);
        var targets = combined.Pairs;
        try
        {
            for (var m = 0; m < modules.Count; m++) Fill(modules[m], (ulong)m);
            CopyTrained(adapters, combined);
            return combined;
        }
        catch
        {
            combined.Dispose();
            throw;
        }

        void Fill(string module, ulong number)
        {
            var parts = pairs.Zip(weights).Where(p => p.First.ContainsKey(module))
                .Select(p => Part.Of(p.First[module], p.Second, model)).ToArray();
            var (a, b) = options.UsesSvd ? BySvd(parts, config.R, options, number)
                : options.Rule == CombinationRule.Cat ? SideBySide(parts) : ByRule(parts, options, number);
            Upload(a, targets[module].A, byRow: true);
            Upload(b, targets[module].B, byRow: false);
        }

        // Ranks beyond those the module needs stay zero.
        void Upload(double[] values, Parameter parameter, bool byRow)
        {
            var padded = new double[parameter.Count];
            var rank = byRow ? values.Length / parameter.Columns : values.Length / parameter.Rows;
            if (byRow) values.CopyTo(padded, 0);
            else
                for (var i = 0; i < parameter.Rows; i++)
                    values.AsSpan(i * rank, rank).CopyTo(padded.AsSpan(i * parameter.Columns));
            HostValues.Upload(model.Backend, padded, parameter.Value);
        }
    }

    private static (double[] A, double[] B) ByRule(Part[] parts, WeightedMergeOptions options, ulong number)
    {
        double[] roots = [.. parts.Select(p => Math.Sqrt(Math.Abs(p.Weight * p.Scale)))];
        double[] signed = [.. parts.Select((p, i) => Math.Sign(p.Weight * p.Scale) * roots[i])];
        return (CombinationRules.Combine(options.Rule, [.. parts.Select(p => p.A)], signed, options, 2 * number),
            CombinationRules.Combine(options.Rule, [.. parts.Select(p => p.B)], roots, options, 2 * number + 1));
    }

    private static (double[] A, double[] B) SideBySide(Part[] parts)
    {
        var rank = parts.Sum(p => p.Rank);
        var outputs = parts[0].B.Length / parts[0].Rank;
        var b = new double[outputs * rank];
        var first = 0;
        foreach (var part in parts)
        {
            for (var i = 0; i < outputs; i++)
                part.B.AsSpan(i * part.Rank, part.Rank).CopyTo(b.AsSpan(i * rank + first));
            first += part.Rank;
        }
        return ([.. parts.SelectMany(p => p.A.Select(v => p.Weight * p.Scale * v))], b);
    }

    private static (double[] A, double[] B) BySvd(Part[] parts, int rank, WeightedMergeOptions options, ulong number)
    {
        if (options.Rule == CombinationRule.Linear)
        {
            // A sum of low-rank products is one, and need not be written out.
            var (right, left) = SideBySide(parts);
            var (u, v) = Svd.OfProduct(left, right, parts.Sum(p => p.Rank), rank);
            return (v, u);
        }
        var change = CombinationRules.Combine(options.Rule, [.. parts.Select(p => p.Change())],
            [.. parts.Select(p => p.Weight)], options, number);
        var outputs = parts[0].B.Length / parts[0].Rank;
        var (b, a) = Svd.Truncated(change, outputs, change.Length / outputs, rank);
        return (a, b);
    }

    private static int NewRank(int[] ranks, string module, WeightedMergeOptions options)
    {
        if (options.UsesSvd) return options.SvdRank ?? ranks.Max();
        if (options.Rule == CombinationRule.Cat) return ranks.Sum();
        return ranks.Distinct().Count() == 1 ? ranks[0] : throw new UsageException(
            $"The adapters have the ranks {string.Join(" and ", ranks)} at {module}; "
                + "this combination needs equal ones.",
            remedy: "Use cat, or a type that ends in svd.");
    }

    private static void Check(IReadOnlyList<LoraAdapter> adapters, IReadOnlyList<double> weights,
        WeightedMergeOptions options)
    {
        if (adapters.Count == 0 || adapters.Count != weights.Count)
            throw new UsageException($"{adapters.Count} adapters and {weights.Count} weights were given.",
                remedy: "Give one weight per adapter.");
        if (adapters.Any(a => a.Model != adapters[0].Model))
            throw new UsageException("Adapters of different models cannot be combined.");
        if (adapters.FirstOrDefault(a => a.LoraConfig.UseDora) is { } dora)
            throw new UsageException($"The adapter '{dora.Name}' is DoRA, whose change is no sum.",
                remedy: "Merge it into the base instead.");
        if (adapters.FirstOrDefault(a => a.LoraConfig.EnsureWeightTying) is { } tied)
            throw new UsageException(
                $"The adapter '{tied.Name}' has ensure_weight_tying, whose two sides a rule could take apart.",
                remedy: "Merge it into the base instead.");
        if (adapters.FirstOrDefault(a => a.LoraConfig.TrainableTokens is not null || a.LoraConfig.UseBias) is { } more)
            throw new UsageException($"The adapter '{more.Name}' has {(more.LoraConfig.UseBias
                ? "lora_bias" : "trainable_token_indices")}, which there is no rule to combine for.",
                remedy: "Merge it into the base instead.");
        if (!(options.Density is > 0 and <= 1))
            throw new UsageException($"density must be greater than 0 and at most 1, not {options.Density}.");
        if (options.SvdRank is < 1) throw new UsageException($"svd_rank must be at least 1, not {options.SvdRank}.");
    }

    // Modules trained whole come over from the one adapter that has them.
    private static void CopyTrained(IReadOnlyList<LoraAdapter> adapters, LoraAdapter combined)
    {
        foreach (var parameter in combined.Model.Parameters)
        {
            var copies = adapters.Select(a => a.Replacement(parameter.Index)).OfType<Parameter>().ToList();
            if (copies.Count > 1)
                throw new UsageException(
                    $"Several of the adapters bring a trained {parameter.Name}, and there is no rule to combine them.",
                    remedy: "Combine adapters without modules_to_save.");
            if (copies.Count == 0) continue;
            var target = combined.Replacement(parameter.Index) ?? throw new UsageException(
                $"One of the adapters brings a {parameter.Name} of its own, which a combined adapter has no place for.",
                remedy: "Merge it into the base instead.");
            HostValues.Copy(combined.Model.Backend, copies[0].Value, target.Value);
        }
    }

    /// <summary>
    /// An adapter's pair at a module, on the host: A [rank, in], B [out, rank], its scale and its weight.
    /// </summary>
    private sealed record Part(double[] A, double[] B, int Rank, double Scale, double Weight)
    {
        internal static Part Of(LoraPair pair, double weight, TransformerModel model) => new(
            HostValues.DownloadDoubles(model.Backend, pair.A.Value),
            HostValues.DownloadDoubles(model.Backend, pair.B.Value),
            pair.A.Rows, pair.Scale, weight);

        internal double[] Change()
        {
            var (outputs, inputs) = (B.Length / Rank, A.Length / Rank);
            var change = new double[outputs * inputs];
            for (var i = 0; i < outputs; i++)
                for (var r = 0; r < Rank; r++)
                    for (var j = 0; j < inputs; j++)
                        change[i * inputs + j] += Scale * B[i * Rank + r] * A[r * inputs + j];
            return change;
        }
    }
}
