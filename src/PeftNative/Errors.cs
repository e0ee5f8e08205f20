namespace PeftNative;

/// <summary>
/// The base of every error PeftNative raises on purpose. The message is one sentence of what went wrong;
/// <see cref="Where"/> and
/// <see cref="Remedy"/> say where and what to do, so that a program can print three clear lines.
/// </summary>
public abstract class PeftNativeException : Exception
{
    /// <summary>Creates the error.</summary>
    protected PeftNativeException(string what, string? where, string? remedy, Exception? inner)
        : base(Compose(what, where, remedy), inner)
    {
        What = what;
        Where = where;
        Remedy = remedy;
    }

    /// <summary>What went wrong, in one sentence.</summary>
    public string What { get; }

    /// <summary>The file, line, record, tensor or option concerned, where there is one.</summary>
    public string? Where { get; }

    /// <summary>What the user can do about it, where that is known.</summary>
    public string? Remedy { get; }

    /// <summary>The process exit code of the command for this kind of error.</summary>
    public abstract int ExitCode { get; }

    private static string Compose(string what, string? where, string? remedy)
    {
        var text = what;
        if (where is not null) text += $" ({where})";
        if (remedy is not null) text += $" {remedy}";
        return text;
    }
}

/// <summary>
/// Wrong arguments: an unknown option, an impossible value, two settings that exclude each other. Exit code 2.
/// </summary>
public sealed class UsageException(string what, string? where = null, string? remedy = null, Exception? inner = null)
    : PeftNativeException(what, where, remedy, inner)
{
    /// <inheritdoc/>
    public override int ExitCode => 2;
}

/// <summary>
/// A data file that cannot be read or makes no sense: a broken line, an unknown record shape, a missing label. Exit
/// code 3.
/// </summary>
public sealed class DataException(string what, string? where = null, string? remedy = null, Exception? inner = null)
    : PeftNativeException(what, where, remedy, inner)
{
    /// <inheritdoc/>
    public override int ExitCode => 3;
}

/// <summary>
/// A model, adapter, checkpoint or tokenizer file that is broken, unsupported or does not fit the model. Exit code 4.
/// </summary>
public sealed class ModelFormatException(string what, string? where = null, string? remedy = null,
    Exception? inner = null)
    : PeftNativeException(what, where, remedy, inner)
{
    /// <inheritdoc/>
    public override int ExitCode => 4;

    /// <summary>Where it is an adapter that cannot be loaded, the kind of reason; null for other errors.</summary>
    public AdapterMisfit? Misfit { get; private set; }

    internal ModelFormatException As(AdapterMisfit misfit)
    {
        Misfit = misfit;
        return this;
    }
}

/// <summary>The file system refused: no space, no permission, a vanished file. Exit code 5.</summary>
public sealed class StorageException(string what, string? where = null, string? remedy = null, Exception? inner = null)
    : PeftNativeException(what, where, remedy, inner)
{
    /// <inheritdoc/>
    public override int ExitCode => 5;
}

/// <summary>A number that is not finite where one must be: a loss, a gradient, a weight. Exit code 6.</summary>
public sealed class NumericException(string what, string? where = null, string? remedy = null, Exception? inner = null)
    : PeftNativeException(what, where, remedy, inner)
{
    /// <inheritdoc/>
    public override int ExitCode => 6;
}

/// <summary>Memory of the host or the device does not suffice. Exit code 7.</summary>
public sealed class ResourceException(string what, string? where = null, string? remedy = null, Exception? inner = null)
    : PeftNativeException(what, where, remedy, inner)
{
    /// <inheritdoc/>
    public override int ExitCode => 7;
}
