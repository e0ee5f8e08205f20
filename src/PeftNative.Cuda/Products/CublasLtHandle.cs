using PeftNative.Cuda.Driver;

namespace PeftNative.Cuda.Products;

/// <summary>
/// Products by cuBLASLt. An algorithm is chosen when the first product of a key comes and kept from then on, so that a
/// product has the same bits whenever it is made again.
/// </summary>
internal sealed class CublasLtHandle : ICublasHandle
{
    /// <summary>Algorithms that are looked at for one product.</summary>
    private const int Candidates = 8;

    /// <summary>
    /// Kinds of products that are remembered; batches of ever other numbers of rows must not fill the memory of the
    /// host.
    /// </summary>
    private const int MostPlans = 4096;

    private readonly CublasLt library;
    private readonly CudaDevice device;
    private readonly CudaMemory workspace;
    private readonly CublasLtChoices? choices;
    private readonly Dictionary<ProductKey, CublasLtPlan?> plans = []; // null: no algorithm
    private nint handle, preference;

    public CublasLtHandle(CublasLt library, CublasLtOptions options, CudaDevice device, CudaMemory workspace)
    {
        // Parts of a sum may meet in fp32 in the workspace, never in the type of the result.
        const uint inFp32 = 2;
        (this.library, this.device, this.workspace) = (library, device, workspace);
        if (options.Mode == CublasLtMode.Tune)
            choices = new(options.File,
                $"{device.Name} {device.Capability} {device.Multiprocessors} cuBLASLt {library.Version}");
        try
        {
            handle = library.Create();
            preference = library.CreatePreference();
            library.Set(preference, LtPreferenceAttribute.WorkspaceBytes, (ulong)workspace.Bytes);
            library.Set(preference, LtPreferenceAttribute.ReductionSchemes, inFp32);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public bool TryMultiply(in MatrixProduct product)
    {
        var key = ProductKey.Of(product);
        if (!plans.TryGetValue(key, out var plan)) plan = Prepare(product, key);
        if (plan is null) return false;
        CublasCall.Check(Start(plan, product, plan.Algorithm), "cublasLtMatmul", product);
        return true;
    }

    public void Dispose()
    {
        Forget();
        library.DestroyPreference(preference);
        library.Destroy(handle);
        (preference, handle) = (0, 0);
    }

    /// <summary>What comes again is described again, to the same choice.</summary>
    private void Forget()
    {
        foreach (var plan in plans.Values) plan?.Dispose();
        plans.Clear();
    }

    private CublasLtPlan? Prepare(in MatrixProduct product, in ProductKey key)
    {
        var plan = new CublasLtPlan(library, product, key);
        try
        {
            var algorithm = choices is null ? First(Suggestions(plan, product, key))
                : Tuned(plan, product, key, choices);
            if (plans.Count == MostPlans) Forget();
            if (algorithm is { } chosen)
            {
                plan.Algorithm = chosen;
                plans.Add(key, plan);
                return plan;
            }
            plan.Dispose();
            plans.Add(key, null);
            return null;
        }
        catch
        {
            plan.Dispose();
            throw;
        }
    }

    private static LtAlgorithm? First(List<LtAlgorithm> suggestions) => suggestions.Count > 0 ? suggestions[0] : null;

    /// <summary>
    /// The algorithms that the heuristic names for a product, best first; none only where something is to be added.
    /// </summary>
    private List<LtAlgorithm> Suggestions(CublasLtPlan plan, in MatrixProduct product, in ProductKey key)
    {
        library.Set(preference, LtPreferenceAttribute.AlignmentA, (uint)key.AlignmentB);
        library.Set(preference, LtPreferenceAttribute.AlignmentB, (uint)key.AlignmentA);
        library.Set(preference, LtPreferenceAttribute.AlignmentC, (uint)key.AlignmentC);
        library.Set(preference, LtPreferenceAttribute.AlignmentD, (uint)key.AlignmentD);
        Span<LtHeuristicResult> results = new LtHeuristicResult[Candidates];
        var status = library.GetHeuristic(handle, plan, preference, results, out var count);
        List<LtAlgorithm> fitting = [];
        foreach (ref readonly var result in results[..count])
            if (result.State == 0 && (key.IsInPlace || library.TakesSourceElsewhere(result.Algorithm)))
                fitting.Add(result.Algorithm);
        if (status == 0 && fitting.Count == 0) status = CublasCall.NotSupported;
        if (status == CublasCall.NotSupported && product.HasEpilogue) return [];
        CublasCall.Check(status, "cublasLtMatmulAlgoGetHeuristic", product);
        return fitting;
    }

    /// <summary>
    /// The measured choice, an earlier one where there is one. While calls are recorded nothing can be measured, and
    /// the first suggestion is the choice from then on.
    /// </summary>
    private LtAlgorithm? Tuned(CublasLtPlan plan, in MatrixProduct product, in ProductKey key, CublasLtChoices choices)
    {
        var name = key.Rounded.ToString();
        var isKnown = choices.TryGet(name, out var known);
        if (isKnown && library.Takes(handle, plan, known, workspace.Bytes)) return known;
        var suggestions = Suggestions(plan, product, key);
        // of another product with the same rounded sizes: what this one takes instead is always the same
        if (isKnown || suggestions.Count == 0) return First(suggestions);
        device.Check(device.Driver.GetCaptureStatus(device.Stream, out var recording), "cuStreamIsCapturing");
        var trial = product;
        var choice = recording != 0 || suggestions.Count == 1
            ? suggestions[0]
            : CublasLtTrial.Fastest(device, suggestions, trial, (p, algorithm) => Start(plan, p, algorithm));
        choices.Add(name, choice);
        return choice;
    }

    private int Start(CublasLtPlan plan, in MatrixProduct product, LtAlgorithm algorithm)
    {
        if (product.Bias.IsPresent) plan.SetBias(product.Bias.Pointer);
        return library.Multiply(handle, plan, product, algorithm, workspace, device.Stream);
    }
}
