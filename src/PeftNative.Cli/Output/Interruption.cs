using System.Runtime.InteropServices;

namespace PeftNative.Cli.Output;

/// <summary>
/// Ctrl-C and SIGTERM: the first asks for an orderly end, the second Ctrl-C ends the process at once.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly List<PosixSignalRegistration> registrations = [];

    /// <summary>Set by the first signal.</summary>
    public CancellationToken Token => source.Token;

    /// <summary>130 after Ctrl-C, 143 after SIGTERM.</summary>
    public int ExitCode { get; private set; } = 130;

    /// <summary>Listens to the signals of this process.</summary>
    public static Interruption OfProcess()
    {
        var result = new Interruption();
        result.registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, c => result.Receive(c, 130)));
        result.registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => result.Receive(c, 143)));
        return result;
    }

    /// <summary>Asks for an orderly end, as a signal does.</summary>
    public void Request(int exitCode)
    {
        ExitCode = exitCode;
        source.Cancel();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        registrations.ForEach(r => r.Dispose());
        source.Dispose();
    }

    private void Receive(PosixSignalContext context, int exitCode)
    {
        if (Token.IsCancellationRequested) return; // the system then does what it always does: it ends the process
        context.Cancel = true;
        Request(exitCode);
    }
}
