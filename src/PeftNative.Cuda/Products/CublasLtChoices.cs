using PeftNative.Formats.Storage;

namespace PeftNative.Cuda.Products;

/// <summary>
/// Measured choices by device, version and product, in memory and in a text file. The first choice for a product stays:
/// it is what makes a later run give the same bits. A file that is not one of these, or is damaged, counts as empty and
/// is written anew.
/// </summary>
internal sealed class CublasLtChoices
{
    private const string Header = "peftnative cublaslt 1";
    private const char Separator = '\t';

    private readonly string? file;
    private readonly string machine;
    private readonly Dictionary<string, LtAlgorithm> own = [];

    /// <param name="file">Where they are kept, or null for nowhere.</param>
    /// <param name="machine">Device and version that they hold for.</param>
    public CublasLtChoices(string? file, string machine)
    {
        (this.file, this.machine) = (file, machine.Replace(Separator, ' '));
        foreach (var ((where, product), algorithm) in Read())
            if (where == this.machine) own[product] = algorithm;
    }

    public bool TryGet(string product, out LtAlgorithm algorithm) => own.TryGetValue(product, out algorithm);

    /// <summary>Keeps a choice, unless there is one.</summary>
    /// <exception cref="StorageException">The file cannot be written.</exception>
    public void Add(string product, LtAlgorithm algorithm)
    {
        if (!own.TryAdd(product, algorithm) || file is null) return;
        // What another process wrote in the meantime stays.
        var all = Read();
        all.TryAdd((machine, product), algorithm);
        var lines = all.Select(c => string.Join(Separator, c.Key.Machine, c.Key.Product, c.Value))
            .Order(StringComparer.Ordinal);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
            AtomicFile.WriteText(file, string.Join('\n', [Header, .. lines, ""]));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(
                "Measured choices of cuBLASLt cannot be written down, and without them later runs may differ in the "
                    + "last bits.", file,
                $"Name another file with {CublasLtOptions.FileVariable}, or off.", e);
        }
    }

    private Dictionary<(string Machine, string Product), LtAlgorithm> Read()
    {
        try
        {
            if (file is null || !File.Exists(file)) return [];
            var lines = File.ReadAllLines(file);
            return lines.Length > 0 && lines[0] == Header ? Parse(lines.AsSpan(1)) ?? [] : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The choices in these lines; null where one of them is damaged.</summary>
    private static Dictionary<(string Machine, string Product), LtAlgorithm>? Parse(ReadOnlySpan<string> lines)
    {
        var all = new Dictionary<(string Machine, string Product), LtAlgorithm>();
        foreach (var line in lines)
            if (line.Split(Separator) is not [var machine, var product, var digits]
                || !LtAlgorithm.TryParse(digits, out var algorithm) ||
                !all.TryAdd((machine, product), algorithm)) return null;
        return all;
    }
}
