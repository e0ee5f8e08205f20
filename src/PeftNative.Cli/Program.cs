using System.Text;
using PeftNative.Cli;
using PeftNative.Cli.Output;

// Without this, Windows writes what is not ASCII in the console's old code page.
Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var interruption = Interruption.OfProcess();
var terminal = new Terminal(Console.Out, Console.Error, Console.IsInputRedirected ? Console.In : TextReader.Null, interruption)
{
    IsLive = !Console.IsErrorRedirected,
    HasColour = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "",
};
return Cli.Run(args, terminal);
