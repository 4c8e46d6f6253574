# Filled in by packaging/release: @URL@, @VERSION@, @ARCH@, @SHA256@.
class Rolecall < Formula
  desc "One key in the keyring, one MFA prompt a day, every AWS role in every tool"
  homepage "@URL@"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  on_linux do
    url "@URL@/rolecall-@VERSION@-linux-@ARCH@.tar.gz"
    sha256 "@SHA256@"
  end

  on_macos do
    url "@URL@/rolecall-@VERSION@.tar.gz"
    sha256 "@SOURCE_SHA256@"
    depends_on "cmake" => :build
    depends_on "rust" => :build
  end

  def install
    if OS.mac?
      system "cargo", "install", *std_cargo_args
      generate_completions_from_executable(bin/"rolecall", "completions")
      system bin/"rolecall", "man", "--dir", man1
      man1.install "packaging/man/rolecalld.1"
    else
      bin.install "bin/rolecall", "bin/rolecalld"
      man1.install Dir["share/man/man1/*"]
      bash_completion.install "share/bash-completion/completions/rolecall"
      zsh_completion.install "share/zsh/site-functions/_rolecall"
      fish_completion.install "share/fish/vendor_completions.d/rolecall.fish"
    end
  end

  # The agent starts by itself on the first call; this has it run from login on.
  service do
    run opt_bin/"rolecalld"
    keep_alive successful_exit: false
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/rolecall --version")
    assert_match "no agent is running", shell_output("#{bin}/rolecall agent stop")
  end
end
