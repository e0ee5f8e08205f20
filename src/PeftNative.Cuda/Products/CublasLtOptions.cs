namespace PeftNative.Cuda.Products;

/// <summary>How cuBLASLt is used.</summary>
internal enum CublasLtMode
{
    /// <summary>Not at all: plain cuBLAS makes the products.</summary>
    Off,

    /// <summary>
    /// With the first algorithm that its heuristic names, which depends on device, version and product alone.
    /// </summary>
    First,

    /// <summary>With the fastest of several, measured once and written down.</summary>
    Tune,
}

/// <summary>What the environment says about cuBLASLt.</summary>
/// <param name="Mode">How it is used.</param>
/// <param name="File">Where measured choices are written down, or null for nowhere.</param>
internal sealed record CublasLtOptions(CublasLtMode Mode, string? File)
{
    /// <summary>
    /// Names the environment variable with the mode: <c>first</c> (the default), <c>tune</c> or <c>off</c>.
    /// </summary>
    public const string ModeVariable = "PEFTNATIVE_CUBLASLT";

    /// <summary>Names the environment variable with the file of measured choices, or <c>off</c>.</summary>
    public const string FileVariable = "PEFTNATIVE_CUBLASLT_FILE";

    /// <exception cref="UsageException">The mode is none of the three.</exception>
    public static CublasLtOptions FromEnvironment()
    {
        var mode = Environment.GetEnvironmentVariable(ModeVariable) switch
        {
            null or "" or "first" => CublasLtMode.First,
            "tune" => CublasLtMode.Tune,
            "off" => CublasLtMode.Off,
            var other => throw new UsageException($"There is no way '{other}' to use cuBLASLt.", ModeVariable,
                "Use first, tune or off."),
        };
        var file = Environment.GetEnvironmentVariable(FileVariable) switch
        {
            null or "" => Path.Combine(CacheFolder, "peftnative", "cublaslt.txt"),
            "off" => null,
            var chosen => chosen,
        };
        return new(mode, file);
    }

    private static string CacheFolder =>
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } chosen ? chosen
        : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
}
